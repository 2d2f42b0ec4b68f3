import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';

/** The page's files (web/), held in memory: a name that is not among them has no way to the disk. */

/** Beside src/ and beside dist/: the same folder for both. */
export const PAGE_FOLDER = resolve(import.meta.dirname, '../../web');

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export interface PageFile {
  type: string;
  /** Of the uncompressed bytes. */
  etag: string;
  plain: Buffer;
  gzip: Buffer;
}

/** Comments of whole lines, which carry the types, are for those who read the source; they are a fifth of its bytes. */
export function withoutDocs(source: string): string {
  return source.replace(/^[ \t]*(?:\/\*\*(?:(?!\*\/)[^])*\*\/|\/\/.*)\n/gm, '');
}

function pageFile(path: string, type: string): PageFile {
  const source = readFileSync(path, 'utf8');
  const plain = Buffer.from(path.endsWith('.js') ? withoutDocs(source) : source);
  const hash = createHash('sha256').update(plain).digest('base64url').slice(0, 22);
  return { type, etag: hash, plain, gzip: gzipSync(plain, { level: 9 }) };
}

/** By name. Throws if the folder can't be read: then the installation is not whole. */
export function readPageFiles(folder: string = PAGE_FOLDER): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (type !== undefined) files.set(name, pageFile(join(folder, name), type));
  }
  return files;
}
