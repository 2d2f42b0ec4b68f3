import { fileSchema, type ConfigFile } from './schema.ts';

/** The file as it is now: whoever needs a part of it asks each time, so that a reload reaches everybody at once. */
export interface LiveFile {
  readonly current: ConfigFile;
}

/** Where there is no file: no agents of its own, and every default. */
export const NO_FILE: ConfigFile = fileSchema.parse({});
