import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { ConfigFileError } from './fault.ts';
import { NO_FILE, type LiveFile } from './live.ts';
import { MAX_FILE_BYTES, readConfigText } from './read.ts';
import type { ConfigFile } from './schema.ts';
import type { Surroundings } from './surroundings.ts';

/** Where the file is looked for when nobody says where it is. */
export const DEFAULT_CONFIG_FILE = 'holdfast.yaml';

export interface ConfigSourceDeps extends Surroundings {
  /** Null: the default one, if it is there. */
  path: string | null;
}

/** What can be read of it, up to one byte more than a file may have. */
async function beginningOf(path: string): Promise<Uint8Array> {
  const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
  const handle = await open(path, 'r');
  try {
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } finally {
    await handle.close();
  }
}

/** Of an error of Node's own. */
function codeOf(error: unknown): string | undefined {
  const known = typeof error === 'object' && error !== null && 'code' in error;
  return known ? String(error.code) : undefined;
}

/** Undefined: there is no such file. Rejects with a ConfigFileError. */
async function textOf(path: string): Promise<string | undefined> {
  const refused = (text: string): ConfigFileError =>
    new ConfigFileError([`${basename(path)}: ${text}`]);
  try {
    const bytes = await beginningOf(path);
    if (bytes.length > MAX_FILE_BYTES) throw refused('is larger than 1 MB');
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT') return undefined;
    const why = code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is no text in UTF-8' : code;
    throw refused(`can't be read: ${why}`);
  }
}

/** The configuration file on disk, and what of it is in force. */
export class ConfigSource implements LiveFile {
  readonly #deps: ConfigSourceDeps;
  #current: ConfigFile = NO_FILE;

  constructor(deps: ConfigSourceDeps) {
    this.#deps = deps;
  }

  get current(): ConfigFile {
    return this.#current;
  }

  /** Puts a file in force. */
  use(file: ConfigFile): void {
    this.#current = file;
  }

  /** The file as it stands there now, and changes nothing. Rejects with ConfigFileError, which has every fault. */
  async read(): Promise<ConfigFile> {
    const { path, ...surroundings } = this.#deps;
    const where = path ?? DEFAULT_CONFIG_FILE;
    const text = await textOf(where);
    if (text === undefined) {
      // One that was in force must not go in silence.
      if (path === null && this.#current === NO_FILE) return NO_FILE;
      throw new ConfigFileError([`${where}: there is no such file`]);
    }
    const read = readConfigText(text, { ...surroundings, name: basename(where) });
    if ('faults' in read) throw new ConfigFileError(read.faults);
    return read.file;
  }
}
