import type { Request, Response } from 'express';
import { AppError } from '../errors.ts';
import type { PageFile } from '../http/page-files.ts';
import { pathParam } from '../http/route.ts';
import type { Call } from '../http/route.ts';

/** Own files and own origin only; text that becomes code is refused even to the page's own scripts. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

function send({ req, res }: { req: Request; res: Response }, file: PageFile | undefined): void {
  if (file === undefined) throw new AppError('NOT_FOUND', 'No such route.');
  const packed = req.acceptsEncodings(['gzip', 'identity']) === 'gzip';
  res.setHeader('Content-Security-Policy', PAGE_POLICY);
  // Names stay, contents do not: asked for each time, and mostly answered 304.
  res.setHeader('Cache-Control', 'no-cache');
  res.setHeader('ETag', packed ? `"${file.etag}-gz"` : `"${file.etag}"`);
  res.vary('Accept-Encoding');
  res.setHeader('Content-Type', file.type);
  if (packed) res.setHeader('Content-Encoding', 'gzip');
  res.send(packed ? file.gzip : file.plain);
}

/** The page for people, and its parts. */
export function createPageController({ files }: { files: () => ReadonlyMap<string, PageFile> }) {
  return {
    page: (call: Call): void => send(call, files().get('index.html')),
    file: (call: Call): void => send(call, files().get(pathParam(call.req, 'file'))),
  };
}

export type PageController = ReturnType<typeof createPageController>;
