/** Largest tool output that is kept, in UTF-8 bytes, marker included (docs/PROTOCOL.md section 3). */
export const MAX_OUTPUT_BYTES = 64 * 1024;
const MARKER_BYTES = 80;
const NOTE_BYTES = 160;
const MAX_ERROR_CHARS = 2_000;

export function exceedsOutput(text: string): boolean {
  return text.length * 3 > MAX_OUTPUT_BYTES && Buffer.byteLength(text) > MAX_OUTPUT_BYTES;
}

/** The bytes as text, up to the end of a character at or before `to`; `end` is where that is. */
export function cutAtCharacter(
  given: Uint8Array,
  { from, to }: { from: number; to: number },
): { text: string; end: number } {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  let end = Math.min(to, bytes.length);
  // Step back to the first byte of a character: continuation bytes are 10xxxxxx.
  while (end > from + 4 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return { text: bytes.toString('utf8', from, end), end };
}

/**
 * `text`, or its first part with a marker that says how much is missing, and `note`. Cutting a cut text changes nothing.
 */
export function truncateOutput(text: string, note = ''): string {
  if (!exceedsOutput(text)) return text;
  const bytes = Buffer.from(text, 'utf8');
  const to = MAX_OUTPUT_BYTES - MARKER_BYTES - (note === '' ? 0 : NOTE_BYTES);
  const { text: head, end } = cutAtCharacter(bytes, { from: 0, to });
  const rest = note === '' ? '' : `; ${note}`;
  return `${head}\n… [truncated: ${end} of ${bytes.length} bytes shown${rest}]`;
}

/** An absolute path, but not the path of a URL: that has a scheme or a host before its slash. */
const PATHS = /(?<![\w:/.])(?:file:\/\/)?(?:[A-Za-z]:)?(?:[\\/][\w.@+~-]+){2,}(?::\d+){0,2}/g;

/** What of an error a user and a model may read: its message without stack frames and file paths. */
export function errorText(error: unknown): string {
  const raw = error instanceof Error ? error.message : String(error);
  const lines = raw
    .slice(0, MAX_ERROR_CHARS)
    .split('\n')
    .filter((line) => !/^\s*at\s/.test(line));
  const text = lines.join('\n').replaceAll(PATHS, '[path]').trim();
  return text === '' ? 'It failed without a message.' : text;
}

/** Cuts `text` into pieces of at most `size` UTF-16 units, never inside a surrogate pair. */
export function pieces(text: string, size = 8_192): string[] {
  if (text.length <= size) return text === '' ? [] : [text];
  const cut: string[] = [];
  let start = 0;
  while (start < text.length) {
    let end = Math.min(start + size, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end -= 1;
    cut.push(text.slice(start, end));
    start = end;
  }
  return cut;
}
