/** What we use of busboy, which comes without types. */
declare module 'busboy' {
  import type { Readable, Writable } from 'node:stream';

  interface FileInfo {
    /** The last step of what the client says; absent where it says nothing. */
    filename?: string;
    mimeType: string;
  }

  export interface Parser extends Writable {
    on(event: 'file', listener: (field: string, bytes: Readable, info: FileInfo) => void): this;
    on(
      event: 'fieldsLimit' | 'filesLimit' | 'partsLimit' | 'finish' | 'close',
      listener: () => void,
    ): this;
    on(event: 'error', listener: (error: Error) => void): this;
  }

  /** Throws where the content type is none of a form, or has no boundary. */
  // oxlint-disable-next-line import/no-default-export -- the module has no other one
  export default function busboy(options: {
    headers: NodeJS.Dict<string | string[]>;
    defParamCharset: 'utf8';
    limits: { fields: number; files: number; parts: number; headerPairs: number };
  }): Parser;
}
