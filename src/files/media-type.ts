/**
 * The media type of bytes, by the bytes: what a client says of them counts only among texts, where bytes say nothing.
 * It is never one that a browser would execute.
 */

const OTHER = 'application/octet-stream';
const TEXT = 'text/plain';

/** Offset and bytes, in Latin-1. */
const MAGIC: readonly {
  type: string;
  at: readonly (readonly [offset: number, bytes: string])[];
}[] = [
  { type: 'image/png', at: [[0, '\x89PNG\r\n\x1a\n']] },
  { type: 'image/jpeg', at: [[0, '\xff\xd8\xff']] },
  { type: 'image/gif', at: [[0, 'GIF87a']] },
  { type: 'image/gif', at: [[0, 'GIF89a']] },
  {
    type: 'image/webp',
    at: [
      [0, 'RIFF'],
      [8, 'WEBP'],
    ],
  },
  { type: 'application/pdf', at: [[0, '%PDF-']] },
  { type: 'application/zip', at: [[0, 'PK\x03\x04']] },
  { type: 'application/zip', at: [[0, 'PK\x05\x06']] },
];
const HEAD_BYTES = 16;

/** Images that every browser draws and none executes. */
export const SAFE_IMAGES: ReadonlySet<string> = new Set([
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
]);

/** Kinds of text that are shown as such wherever they are opened: nothing with markup that runs. */
const TEXTS: ReadonlySet<string> = new Set([TEXT, 'text/markdown', 'text/csv', 'application/json']);
const BY_ENDING: Readonly<Record<string, string>> = {
  md: 'text/markdown',
  markdown: 'text/markdown',
  csv: 'text/csv',
  json: 'application/json',
};

export function isTextType(mediaType: string): boolean {
  return TEXTS.has(mediaType);
}

function magicType(head: string): string | undefined {
  return MAGIC.find(({ at }) => at.every(([offset, bytes]) => head.startsWith(bytes, offset)))
    ?.type;
}

/** Control characters that no text has; tab, line feeds, form feed and escape are found in some. */
function hasBinary(bytes: Uint8Array): boolean {
  return bytes.some((byte) => byte < 9 || (byte > 13 && byte < 27) || (byte > 27 && byte < 32));
}

function textType(said: { mediaType: string | undefined; name: string }): string {
  const declared = said.mediaType?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (declared !== TEXT && TEXTS.has(declared)) return declared;
  const ending = /\.([A-Za-z0-9]+)$/.exec(said.name)?.[1]?.toLowerCase() ?? '';
  return BY_ENDING[ending] ?? TEXT;
}

/** Looks at bytes that go by, in constant memory. */
export class MediaTypeSniffer {
  #head = '';
  #text = true;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });

  add(bytes: Uint8Array): void {
    if (this.#head.length < HEAD_BYTES) {
      const missing = HEAD_BYTES - this.#head.length;
      this.#head += Buffer.from(bytes.subarray(0, missing)).toString('latin1');
    }
    if (this.#text) this.#text = !hasBinary(bytes) && this.#decodes(bytes, true);
  }

  /** Asked once, at the end. `said`: what the client says of it. */
  type(said: { mediaType: string | undefined; name: string }): string {
    const known = magicType(this.#head);
    if (known !== undefined) return known;
    return this.#text && this.#decodes(new Uint8Array(), false) ? textType(said) : OTHER;
  }

  #decodes(bytes: Uint8Array, stream: boolean): boolean {
    try {
      this.#decoder.decode(bytes, { stream });
      return true;
    } catch {
      // A TypeError: it is no UTF-8.
      return false;
    }
  }
}

/** Does a list such as `image/*`, `text/plain` take this type? */
export function accepts(patterns: readonly string[], mediaType: string): boolean {
  const [kind] = mediaType.split('/');
  return patterns.some(
    (pattern) => pattern === '*/*' || pattern === mediaType || pattern === `${kind}/*`,
  );
}
