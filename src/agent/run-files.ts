import type { Owner } from '../stream/owner.ts';

/** A file that a run made. */
export interface RunFile {
  fileId: string;
  name: string;
  mediaType: string;
  /** Bytes. */
  size: number;
  /** Where its owner finds it. */
  url: string;
}

/** Port: a user's files as runs see them. */
export interface RunFiles {
  /** The first `maxBytes` of it and its whole size; undefined: it is gone, or not this owner's. */
  read(
    owner: Owner,
    fileId: string,
    maxBytes: number,
  ): Promise<{ bytes: Uint8Array; size: number } | undefined>;
  /** The same file for the same key, however often it is saved. Rejects with AppError where the user may have no more. */
  save(
    owner: Owner,
    file: {
      key: string;
      conversationId: string;
      /** The whole of an output, or something that a tool made. */
      origin: 'artifact' | 'output';
      name: string;
      /** Looked at among texts only: what the bytes say comes first. */
      mediaType: string;
      data: Uint8Array | string;
    },
  ): Promise<RunFile>;
}

/** Where nothing is kept: nothing is found, and saving is refused. */
export const NO_FILES: RunFiles = {
  read: async () => undefined,
  async save() {
    throw new Error('Files can not be saved here.');
  },
};
