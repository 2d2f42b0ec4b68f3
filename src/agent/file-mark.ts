import type { RunFile } from './run-files.ts';

/** What a tool that saves a file writes to LangGraph's stream writer; the mapper makes an `attachment` of it. */
export class FileMark {
  readonly file: RunFile;

  constructor(file: RunFile) {
    this.file = file;
  }
}
