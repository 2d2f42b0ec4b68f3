import { createHash } from 'node:crypto';
import { AppError } from '../errors.ts';
import type { Files } from '../files/files.ts';
import type { Owner } from '../stream/owner.ts';

/** Files as clients of other protocols give them: by the URL of one of ours, or with their bytes in it. */

interface InlineFile {
  name: string;
  mediaType: string;
  bytes: Uint8Array;
}
export type GivenFile = { fileId: string } | InlineFile;

const UPLOADED = /^(?:https?:\/\/[^/?#]+)?\/api\/files\/(?<fileId>[A-Za-z0-9_.:-]{1,128})$/i;
const DATA = /^data:(?<type>[^,;]*)(?<parameters>(?:;[^,;]*)*),/i;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function invalid(message: string): AppError {
  return new AppError('INVALID_REQUEST', message);
}

function decoded(data: string): Uint8Array {
  try {
    return Buffer.from(decodeURIComponent(data));
  } catch {
    // A URIError about the client's own text.
    throw invalid('The data: URL of a file is not valid.');
  }
}

function inUrl(url: string): { type: string; bytes: Uint8Array } {
  const head = DATA.exec(url);
  if (!head) throw invalid('A file is a data: URL, or one that was uploaded to /api/files.');
  const { type = '', parameters = '' } = head.groups ?? {};
  const data = url.slice(head[0].length);
  if (!/;base64$/i.test(parameters)) return { type, bytes: decoded(data) };
  if (!BASE64.test(data)) throw invalid('The data: URL of a file is not valid base64.');
  return { type, bytes: Buffer.from(data, 'base64') };
}

/** What a URL holds (RFC 2397). Throws INVALID_REQUEST for any other than these two: nothing is fetched for a client. */
export function givenFile(url: string, said: { name?: string; mediaType?: string }): GivenFile {
  const fileId = UPLOADED.exec(url)?.groups?.['fileId'];
  if (fileId !== undefined) return { fileId };
  const { type, bytes } = inUrl(url);
  const { name = 'file', mediaType = type === '' ? 'text/plain' : type } = said;
  return { name, mediaType, bytes };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The files' ids; bytes become files of the user's. `turn` names the message: sent again it has the same files. */
export async function storedFiles(
  files: Pick<Files, 'putOnce'>,
  owner: Owner,
  { turn, given }: { turn: string; given: readonly GivenFile[] },
): Promise<{ fileId: string }[]> {
  const stored: { fileId: string }[] = [];
  for (const [index, file] of given.entries()) {
    if ('fileId' in file) stored.push({ fileId: file.fileId });
    else {
      const hash = createHash('sha256').update(file.bytes).digest('hex');
      const key = {
        key: `${turn}/${index}/${hash}`,
        origin: 'upload',
        conversationId: null,
      } as const;
      const { fileId } = await files.putOnce(owner, key, { ...file, bytes: once(file.bytes) });
      stored.push({ fileId });
    }
  }
  return stored;
}
