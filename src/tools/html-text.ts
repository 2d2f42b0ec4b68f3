/** Plain text of an HTML page. Hostile pages take time in proportion to their length, no more. */

/** Whatever stands in them is no text. */
const SILENT = new Set(['script', 'style', 'noscript', 'template', 'svg', 'head']);
/** Begin a new line. */
const BLOCKS = new Set(
  (
    'address article aside blockquote br dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header ' +
    'hr li main nav ol option p pre section table tr ul'
  ).split(' '),
);
const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  ndash: '–',
  mdash: '—',
  hellip: '…',
  copy: '©',
  euro: '€',
};

function codePoint(number: number): string {
  const valid = number > 0 && number <= 0x10ffff && !(number >= 0xd800 && number <= 0xdfff);
  return valid ? String.fromCodePoint(number) : '\uFFFD';
}

function entity(whole: string, name: string): string {
  const [, hex, decimal] = /^#(?:x([0-9a-f]+)|(\d+))$/i.exec(name) ?? [];
  if (hex !== undefined) return codePoint(Number.parseInt(hex, 16));
  if (decimal !== undefined) return codePoint(Number(decimal));
  return Object.hasOwn(ENTITIES, name) ? (ENTITIES[name] ?? whole) : whole;
}

function decoded(text: string): string {
  return text.replaceAll(/&(#x[0-9a-f]{1,6}|#\d{1,7}|[a-z]{2,8});/gi, entity);
}

/** The end of the tag that begins at `from`: where it is closed, or the text is over. */
function endOfTag(html: string, from: number): number {
  if (html.startsWith('<!--', from)) {
    const end = html.indexOf('-->', from + 4);
    return end < 0 ? html.length : end + 3;
  }
  const end = html.indexOf('>', from);
  return end < 0 ? html.length : end + 1;
}

function nameOf(tag: string): string {
  return (/^<\/?([a-z][a-z0-9]*)/i.exec(tag)?.[1] ?? '').toLowerCase();
}

/** Behind the end of a silent element whose first tag ends at `from`. */
function behind(html: string, lower: string, { name, from }: { name: string; from: number }) {
  const end = lower.indexOf(`</${name}`, from);
  return end < 0 ? html.length : endOfTag(html, end);
}

export function htmlToText(html: string): string {
  const lower = html.toLowerCase();
  const pieces: string[] = [];
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf('<', at);
    pieces.push(html.slice(at, open < 0 ? html.length : open).replaceAll(/\s+/g, ' '));
    if (open < 0) break;
    const end = endOfTag(html, open);
    const tag = html.slice(open, Math.min(end, open + 40));
    const name = nameOf(tag);
    if (BLOCKS.has(name)) pieces.push('\n');
    if (name === 'title' && !tag.startsWith('</')) pieces.push('\n');
    const silent = SILENT.has(name) && !tag.startsWith('</');
    at = silent ? behind(html, lower, { name, from: end }) : end;
  }
  const lines = decoded(pieces.join('')).split('\n');
  return lines
    .map((line) => line.replaceAll(/[ \t]+/g, ' ').trim())
    .filter((line, index, all) => line !== '' || (index > 0 && all[index - 1] !== ''))
    .join('\n')
    .trim();
}
