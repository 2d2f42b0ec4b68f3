/** Largest tool output that is kept, in UTF-8 bytes, marker included (docs/PROTOCOL.md section 3). */
export const MAX_OUTPUT_BYTES = 64 * 1024;
const MARKER_BYTES = 80;
const MAX_ERROR_CHARS = 2_000;

/** `text`, or its first part with a marker that says how much is missing. Cutting a cut text changes nothing. */
export function truncateOutput(text: string): string {
  if (text.length * 3 <= MAX_OUTPUT_BYTES) return text;
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= MAX_OUTPUT_BYTES) return text;
  let end = MAX_OUTPUT_BYTES - MARKER_BYTES;
  // Step back to the first byte of a character: continuation bytes are 10xxxxxx.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${bytes.toString('utf8', 0, end)}\n… [truncated: ${end} of ${bytes.length} bytes shown]`;
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
