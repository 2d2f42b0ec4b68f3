import type { ByteRange } from '../files/file-store.ts';

const ONE_RANGE = /^bytes=(?<first>\d{0,15})-(?<last>\d{0,15})$/;

function lastBytes(count: number, size: number): ByteRange | 'none' {
  const length = Math.min(count, size);
  return length === 0 ? 'none' : { first: size - length, last: size - 1 };
}

/**
 * The one range that a `Range` header asks for (RFC 9110 section 14). `whole`: none that we know, so that it is ignored;
 * `none`: nothing of the file is in it.
 */
export function byteRange(header: string | undefined, size: number): ByteRange | 'whole' | 'none' {
  const { first = '', last = '' } = ONE_RANGE.exec(header ?? '')?.groups ?? {};
  if (first === '') return last === '' ? 'whole' : lastBytes(Number(last), size);
  const from = Number(first);
  if (last !== '' && Number(last) < from) return 'whole';
  if (from >= size) return 'none';
  return { first: from, last: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}
