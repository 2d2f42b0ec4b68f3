import busboy from 'busboy';
import type { Parser } from 'busboy';
import type { Request } from 'express';
import type { Readable } from 'node:stream';
import { AppError } from '../errors.ts';
import { fileTooLarge, type FileBytes } from '../files/files.ts';
import { discard } from './body.ts';

/** Most files of one form. */
export const MAX_FORM_FILES = 10;
/** What a form may have around its files: boundaries and headers. */
const FORM_BYTES = 65_536;

export interface UploadRules<T> {
  /** Largest file, bytes. */
  limit: number;
  /** Called for one file after the other; reads it to its end, or rejects. */
  take: (file: FileBytes) => Promise<T>;
}

function invalid(message: string): AppError {
  return new AppError('INVALID_REQUEST', message);
}

const cutOff = (): AppError => invalid('The body was cut off.');

/** What a client may still send before its socket goes: it gets to read why it was refused. */
function lingerOf(limit: number): number {
  return Math.min(2 * limit, 64 * 1024 * 1024);
}

function refuseLarge(req: Request, limit: number): void {
  if (Number(req.get('content-length') ?? 0) <= limit) return;
  throw fileTooLarge(limit);
}

/** Bytes of a stream whose failures are the client's: it left, or its form is broken. */
async function* received(source: Readable): AsyncGenerator<Uint8Array> {
  try {
    // Not destroyed where the reader stops: the answer goes out by the same socket.
    for await (const chunk of source.iterator({ destroyOnReturn: false })) {
      if (chunk instanceof Uint8Array) yield chunk;
    }
  } catch {
    // Whatever Node says of it is about the connection.
    throw cutOff();
  }
}

/** Names in headers are Latin-1; others are sent as encodeURIComponent makes them. */
function headerName(header: string): string {
  try {
    return decodeURIComponent(header);
  } catch {
    // A URIError: a percent sign of the name's own.
    return header;
  }
}

async function receiveRaw<T>(req: Request, { limit, take }: UploadRules<T>): Promise<T[]> {
  const name = req.get('x-file-name');
  if (name === undefined) {
    throw new AppError(
      'UNSUPPORTED_MEDIA_TYPE',
      'Send multipart/form-data, or the bytes with X-File-Name.',
    );
  }
  refuseLarge(req, limit);
  const mediaType = req.get('content-type');
  return [await take({ name: headerName(name), mediaType, bytes: received(req) })];
}

function parserFor(req: Request): Parser {
  try {
    return busboy({
      headers: req.headers,
      defParamCharset: 'utf8',
      limits: { fields: 0, files: MAX_FORM_FILES, parts: MAX_FORM_FILES + 1, headerPairs: 32 },
    });
  } catch {
    // It says which part of the header it misses, in words of its own.
    throw invalid('The content type has no boundary.');
  }
}

/** The files of a form, taken in its order: the parser does not go on before the last one is read. */
class FormReader<T> {
  readonly #req: Request;
  readonly #parser: Parser;
  readonly #take: UploadRules<T>['take'];
  readonly #taken: T[] = [];
  #turn: Promise<void> = Promise.resolve();
  #failure: Error | undefined;

  constructor(req: Request, parser: Parser, take: UploadRules<T>['take']) {
    this.#req = req;
    this.#parser = parser;
    this.#take = take;
  }

  /** Rejects with what was first; then `taken` has what had been taken until then. */
  async read(): Promise<T[]> {
    const parser = this.#parser;
    const left = (): void => this.#fail(cutOff());
    await new Promise<void>((resolve) => {
      parser.on('file', (field, bytes, { filename = '', mimeType }) => {
        // It fails with the parser, also where nobody reads it any more.
        bytes.on('error', () => undefined);
        if (field !== 'file') this.#fail(invalid('The files of a form are its fields `file`.'));
        else this.#queue(bytes, { name: filename, mediaType: mimeType, bytes: received(bytes) });
      });
      parser.on('fieldsLimit', () => this.#fail(invalid('A form has files only.')));
      for (const limit of ['filesLimit', 'partsLimit'] as const) {
        parser.on(limit, () => this.#fail(invalid(`A form has at most ${MAX_FORM_FILES} files.`)));
      }
      parser.on('error', () => this.#fail(invalid('The form is not whole.')));
      parser.on('close', resolve);
      this.#req.once('aborted', left).once('error', left);
      this.#req.pipe(parser);
    });
    this.#req.off('aborted', left).off('error', left);
    await this.#turn;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#taken.length === 0) throw invalid('There is no file in the form.');
    return this.#taken;
  }

  get taken(): readonly T[] {
    return this.#taken;
  }

  #queue(bytes: Readable, file: FileBytes): void {
    this.#turn = this.#next(this.#turn, bytes, file);
  }

  async #next(turn: Promise<void>, bytes: Readable, file: FileBytes): Promise<void> {
    await turn;
    if (this.#failure !== undefined) return;
    try {
      this.#taken.push(await this.#take(file));
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error('The file was not taken.'));
      bytes.destroy();
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#req.unpipe(this.#parser);
    this.#parser.destroy();
  }
}

/**
 * The files that a request carries: a form of several, or its body. Where one is refused, `undo` gets those that were
 * taken before, and the request is refused as a whole.
 */
export async function receiveFiles<T>(
  req: Request,
  rules: UploadRules<T> & { undo: (taken: readonly T[]) => Promise<void> },
): Promise<T[]> {
  if (!/^(identity)?$/i.test(req.get('content-encoding') ?? '')) {
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'The body must not be compressed.', {
      headers: { 'Accept-Encoding': 'identity' },
    });
  }
  const isForm = /^multipart\/form-data\s*(;|$)/i.test(req.get('content-type') ?? '');
  let reader: FormReader<T> | undefined;
  try {
    if (!isForm) return await receiveRaw(req, rules);
    refuseLarge(req, MAX_FORM_FILES * rules.limit + FORM_BYTES);
    reader = new FormReader(req, parserFor(req), rules.take);
    return await reader.read();
  } catch (error) {
    discard(req, lingerOf(rules.limit));
    await rules.undo(reader?.taken ?? []);
    throw error;
  }
}
