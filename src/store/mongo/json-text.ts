import { AppError } from '../../errors.ts';

/**
 * Bodies are kept as JSON text in one field: BSON refuses NULs in keys and has no lone surrogates, and queries read dots
 * and dollars in keys.
 */

/** What one document may hold of such text. The wall is at 16 MiB, for the whole of it and for the command around it. */
export const MAX_TEXT_BYTES = 12 * 1024 * 1024;

/** JSON of a value. Throws PAYLOAD_TOO_LARGE where a document could not hold it. */
export function jsonText(value: unknown, what: string): string {
  const text = JSON.stringify(value);
  const bytes = bytesOf(text);
  if (bytes > MAX_TEXT_BYTES) throw tooLarge(what, bytes);
  return text;
}

export function bytesOf(text: string): number {
  return Buffer.byteLength(text);
}

export function tooLarge(what: string, bytes: number): AppError {
  return new AppError(
    'PAYLOAD_TOO_LARGE',
    `${what} would have ${bytes} bytes in the store, more than ${MAX_TEXT_BYTES}.`,
  );
}
