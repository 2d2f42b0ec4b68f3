import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import type { z } from 'zod';
import { AppError } from '../errors.ts';
import { walkJson } from './json-walker.ts';
import type { JsonLimits } from './json-walker.ts';
import { validate } from './validate.ts';

export interface BodyLimits extends JsonLimits {
  bodyBytes: number;
}

/** What a refused client may still send before its socket goes: it gets to read the 413, we read no more than this. */
const LINGER_BYTES = 1_048_576;

function tooLarge(limit: number): AppError {
  return new AppError('PAYLOAD_TOO_LARGE', `The body is larger than ${limit} bytes.`);
}

export function discard(req: IncomingMessage, most: number = LINGER_BYTES): void {
  let seen = 0;
  req.on('data', (chunk: Buffer) => {
    seen += chunk.length;
    if (seen > most) req.socket.destroy();
  });
  req.resume();
}

/** How long a body of JSON may take, ms. */
const PATIENCE = 30_000;

/** Every byte of the body, at most `limit`. */
function collect(req: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const late = setTimeout(() => {
      stop(new AppError('REQUEST_TIMEOUT', 'The body took too long.'));
      discard(req);
    }, PATIENCE);
    const stop = (error: AppError): void => {
      clearTimeout(late);
      req.removeAllListeners('data');
      req.removeAllListeners('end');
      reject(error);
    };
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit) {
        chunks.push(chunk);
        return;
      }
      stop(tooLarge(limit));
      discard(req);
    });
    req.on('end', () => {
      clearTimeout(late);
      resolve(Buffer.concat(chunks, size));
    });
    // Nobody is left to read the answer; it still has to settle, and is no failure of ours.
    const cut = (): void => stop(new AppError('INVALID_REQUEST', 'The body was cut off.'));
    req.once('error', cut);
    req.once('close', cut);
  });
}

function checkType(req: Request): void {
  const [type = '', ...parameters] = (req.get('content-type') ?? '').split(';');
  const charset = parameters.map((item) => item.trim().toLowerCase()).find(isCharset);
  const utf8 = charset === undefined || /^charset="?utf-8"?$/.test(charset);
  if (type.trim().toLowerCase() !== 'application/json' || !utf8) {
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'The body must be application/json in UTF-8.');
  }
  if (!/^(identity)?$/i.test(req.get('content-encoding') ?? '')) {
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'The body must not be compressed.', {
      headers: { 'Accept-Encoding': 'identity' },
    });
  }
}

function isCharset(parameter: string): boolean {
  return parameter.startsWith('charset=');
}

function parseJson(bytes: Buffer): unknown {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return value;
  } catch {
    // A SyntaxError or TypeError about the input, whose message quotes it: not passed on.
    throw new AppError('INVALID_JSON', 'The body is not valid JSON in UTF-8.');
  }
}

/** The body as `schema` has it: type, size, JSON, depth and width, then the schema, in this order. */
export async function readBody<T>(
  req: Request,
  rules: { schema: z.ZodType<T>; limits: BodyLimits },
): Promise<T> {
  const { schema, limits } = rules;
  checkType(req);
  if (Number(req.get('content-length') ?? 0) > limits.bodyBytes) {
    discard(req);
    throw tooLarge(limits.bodyBytes);
  }
  const value = parseJson(await collect(req, limits.bodyBytes));
  walkJson(value, limits);
  return validate(schema, value);
}
