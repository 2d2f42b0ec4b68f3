import type { Response } from 'express';
import { once } from 'node:events';
import { AppError, notFound } from '../errors.ts';
import type { FileRecord } from '../files/file-store.ts';
import { fileUrl } from '../files/files.ts';
import { SAFE_IMAGES } from '../files/media-type.ts';
import { byteRange } from '../http/byte-range.ts';
import type { AppContext } from '../http/context.ts';
import { refuseWhileDraining } from '../http/draining.ts';
import { pageOf } from '../http/page.ts';
import { pathParam } from '../http/route.ts';
import type { UserCall } from '../http/route.ts';
import { ID_PATTERN } from '../http/schemas.ts';
import { receiveFiles } from '../http/upload.ts';

type Context = Pick<AppContext, 'config' | 'files' | 'isDraining'>;

function shown({ fileId, name, mediaType, size, createdAt, origin }: FileRecord) {
  return { fileId, name, mediaType, size, createdAt, origin, url: fileUrl(fileId) };
}

/** Opened anywhere else than in an image it is saved; nothing of it ever runs in our origin. */
const FILE_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox";

function disposition({ name, mediaType }: FileRecord): string {
  const kind = SAFE_IMAGES.has(mediaType) ? 'inline' : 'attachment';
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_');
  const coded = encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${kind}; filename="${plain}"; filename*=UTF-8''${coded}`;
}

/** Does an `If-None-Match` name what the client would get? Weak comparison (RFC 9110 section 13.1.2). */
function hasTag(header: string | undefined, tag: string): boolean {
  const tags = header?.split(',').map((item) => item.trim().replace(/^W\//, '')) ?? [];
  return tags.includes(tag) || tags.includes('*');
}

function describe(res: Response, file: FileRecord): void {
  res.setHeader('Content-Security-Policy', FILE_POLICY);
  res.setHeader('Content-Disposition', disposition(file));
  res.setHeader('Accept-Ranges', 'bytes');
  const { mediaType } = file;
  const charset = mediaType.startsWith('text/') ? '; charset=utf-8' : '';
  res.setHeader('Content-Type', mediaType + charset);
}

/** At the pace of the client; where either side breaks off, so does the response. */
async function pour(
  res: Response,
  { bytes, begin }: { bytes: AsyncIterator<Uint8Array>; begin: () => void },
): Promise<void> {
  // Before the head goes out: a file that can't be read is still an honest status.
  let next = await bytes.next();
  begin();
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  try {
    while (!next.done && !res.destroyed) {
      if (!res.write(next.value)) await once(res, 'drain', { signal: gone.signal });
      next = await bytes.next();
    }
    res.end();
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  } finally {
    await bytes.return?.();
  }
}

/** Users' files. */
export function createFileController({ config, files, isDraining }: Context) {
  const own = async ({ req, owner }: UserCall): Promise<FileRecord> => {
    const id = pathParam(req, 'id');
    if (!ID_PATTERN.test(id)) throw notFound('file');
    return files.get(owner, id);
  };

  return {
    upload: async ({ req, res, owner }: UserCall): Promise<void> => {
      refuseWhileDraining({ isDraining });
      const made = await receiveFiles(req, {
        limit: config.limits.fileBytes,
        take: (file) => files.upload(owner, file),
        undo: async (taken) => {
          for (const { fileId } of taken) await files.delete(owner, fileId);
        },
      });
      const [only] = made;
      const items = made.map(shown);
      if (made.length === 1 && only) res.setHeader('Location', fileUrl(only.fileId));
      res.status(201).json(made.length === 1 ? items[0] : { items });
    },

    read: async (call: UserCall): Promise<void> => {
      const { req, res } = call;
      const file = await own(call);
      const tag = `"${file.sha256}"`;
      res.setHeader('ETag', tag);
      // Bytes never change under an id, but whose they are is asked each time.
      res.setHeader('Cache-Control', 'private, no-cache');
      if (hasTag(req.get('if-none-match'), tag)) return void res.status(304).end();
      const same = (req.get('if-range') ?? tag) === tag;
      const range = same ? byteRange(req.get('range'), file.size) : 'whole';
      if (range === 'none') {
        throw new AppError('RANGE_NOT_SATISFIABLE', 'The file is shorter than that.', {
          headers: { 'Content-Range': `bytes */${file.size}` },
        });
      }
      const part = range === 'whole' ? undefined : range;
      const begin = (): void => {
        describe(res, file);
        res.status(part ? 206 : 200);
        if (part) res.setHeader('Content-Range', `bytes ${part.first}-${part.last}/${file.size}`);
        res.setHeader('Content-Length', part ? part.last - part.first + 1 : file.size);
      };
      if (req.method === 'HEAD') {
        begin();
        return void res.end();
      }
      const bytes = (await files.open(file, part))[Symbol.asyncIterator]();
      await pour(res, { bytes, begin });
    },

    list: async ({ req, res, owner }: UserCall): Promise<void> => {
      const { items, nextCursor } = await files.list(owner, pageOf(req));
      res.json({ items: items.map(shown), nextCursor });
    },

    remove: async (call: UserCall): Promise<void> => {
      const { fileId } = await own(call);
      await files.delete(call.owner, fileId);
      call.res.status(204).end();
    },
  };
}

export type FileController = ReturnType<typeof createFileController>;
