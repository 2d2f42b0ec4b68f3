/**
 * Markdown to a tree, never to HTML: what a model writes is text, and a tag in it stays text. Pure. A subset: headings,
 * paragraphs, lists, quotes, code, tables, rules; strong, emphasis, strikethrough, code, links. Pictures become links:
 * nothing is loaded because a model says so.
 * @typedef {{ type: 'text', text: string } | { type: 'code', text: string } | { type: 'br' }
 *   | { type: 'strong' | 'em' | 'del', children: Inline[] }
 *   | { type: 'link', href: string, children: Inline[] }} Inline
 * @typedef {{ raw: string } & ({ type: 'heading', level: number, children: Inline[] }
 *   | { type: 'paragraph', children: Inline[] }
 *   | { type: 'code', lang: string, text: string }
 *   | { type: 'quote', blocks: Block[] }
 *   | { type: 'list', ordered: boolean, start: number, items: Block[][] }
 *   | { type: 'table', head: Inline[][], rows: Inline[][][] }
 *   | { type: 'rule' })} Block
 */

/** Beyond these a text is shown as it is: they bound what hostile text can cost. */
export const MAX_DEPTH = 6;
const MAX_INLINE = 20_000;
export const MAX_COLUMNS = 30;

/** The address if a link may have it, else undefined. @param {string} raw */
export function safeHref(raw) {
  let url;
  try {
    url = new URL(raw.trim());
  } catch {
    // Not absolute: it would lead into this page.
    return undefined;
  }
  return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : undefined;
}

const LINK =
  /!?\[([^[\]\n]{0,500})\]\(\s{0,3}<?([^\s()<>]{1,2000})>?(?:\s{1,9}"[^"\n]{0,200}")?\s{0,3}\)/y;
const BARE = /https?:\/\/[^\s<>"'`]{1,2000}/y;
const ESCAPED = /\\([!-/:-@[-`{-~])/y;

/** @param {RegExp} pattern sticky @param {string} text @param {number} at */
function matchAt(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** @typedef {{ node: Inline, next: number } | undefined} Found */

/** @param {string} text @param {number} at @returns {Found} */
function codeAt(text, at) {
  const fence = /`{1,16}/y;
  const [ticks = ''] = matchAt(fence, text, at) ?? [];
  const end = text.indexOf(ticks, at + ticks.length);
  if (ticks === '' || end < 0) return undefined;
  const inner = text.slice(at + ticks.length, end).replaceAll('\n', ' ');
  return {
    node: { type: 'code', text: inner.replace(/^ (.+) $/, '$1') },
    next: end + ticks.length,
  };
}

/** @param {string} text @param {number} at @param {number} depth @returns {Found} */
function linkAt(text, at, depth) {
  const match = matchAt(LINK, text, at);
  const [whole = '', label = '', target = ''] = match ?? [];
  const href = safeHref(target);
  if (!match || href === undefined) return undefined;
  const children = parseInline(label === '' ? target : label, depth + 1);
  return { node: { type: 'link', href, children }, next: at + whole.length };
}

/** @param {string} text @param {number} at @returns {Found} */
function bareAt(text, at) {
  const [whole] = matchAt(BARE, text, at) ?? [];
  if (whole === undefined || /\w/.test(text[at - 1] ?? '')) return undefined;
  const address = whole.replace(/[.,;:!?)\]}*_~]+$/, '');
  const href = safeHref(address);
  if (href === undefined) return undefined;
  const children = [{ type: /** @type {const} */ ('text'), text: address }];
  return { node: { type: 'link', href, children }, next: at + address.length };
}

/** @type {[string, 'strong' | 'em' | 'del'][]} */
const MARKS = [
  ['**', 'strong'],
  ['__', 'strong'],
  ['~~', 'del'],
  ['*', 'em'],
  ['_', 'em'],
];

/** Where the mark that was opened at `at` is closed, or -1. @param {string} text @param {string} mark @param {number} at */
function closing(text, mark, at) {
  for (let end = text.indexOf(mark, at + mark.length + 1); end >= 0;) {
    const after = text[end + mark.length] ?? '';
    const inWord = mark[0] === '_' && /\w/.test(after);
    const longer = mark.length === 1 && (after === mark || text[end - 1] === mark);
    if (!/\s/.test(text[end - 1] ?? ' ') && !inWord && !longer) return end;
    end = text.indexOf(mark, end + (longer ? 2 : mark.length));
  }
  return -1;
}

/**
 * @param {string} text @param {number} at
 * @param {{ depth: number, dead: Set<string> }} state `dead`: marks that nothing closes from here on
 * @returns {Found}
 */
function emphasisAt(text, at, { depth, dead }) {
  const [mark, type] = MARKS.find(([each]) => text.startsWith(each, at)) ?? [];
  if (mark === undefined || type === undefined || dead.has(mark)) return undefined;
  if (/\s/.test(text[at + mark.length] ?? ' ')) return undefined;
  if (mark[0] === '_' && /\w/.test(text[at - 1] ?? '')) return undefined;
  const end = closing(text, mark, at);
  if (end < 0) {
    dead.add(mark);
    return undefined;
  }
  const children = parseInline(text.slice(at + mark.length, end), depth + 1);
  return { node: { type, children }, next: end + mark.length };
}

/** @param {string} text @param {number} at @returns {Found} */
function escapedAt(text, at) {
  const [, literal] = matchAt(ESCAPED, text, at) ?? [];
  if (literal !== undefined) return { node: { type: 'text', text: literal }, next: at + 2 };
  return text[at + 1] === '\n' ? { node: { type: 'br' }, next: at + 2 } : undefined;
}

/** @param {string} text @param {number} at @param {{ depth: number, dead: Set<string> }} state @returns {Found} */
function inlineAt(text, at, state) {
  switch (text.charAt(at)) {
    case '\\':
      return escapedAt(text, at);
    case '`':
      return codeAt(text, at);
    case '[':
    case '!':
      return linkAt(text, at, state.depth);
    case 'h':
      return bareAt(text, at);
    case '*':
    case '_':
    case '~':
      return emphasisAt(text, at, state);
    case '\n':
      return { node: { type: 'br' }, next: at + 1 };
    default:
      return undefined;
  }
}

/** @param {string} text @param {number} [depth] @returns {Inline[]} */
export function parseInline(text, depth = 0) {
  if (depth > MAX_DEPTH || text.length > MAX_INLINE) return [{ type: 'text', text }];
  /** @type {Inline[]} */
  const nodes = [];
  const state = { depth, dead: new Set() };
  const special = /[\\`[!h*_~\n]/g;
  let plain = 0;
  let at = 0;
  while (at < text.length) {
    special.lastIndex = at;
    const match = special.exec(text);
    if (!match) break;
    const found = inlineAt(text, match.index, state);
    at = match.index + 1;
    if (!found) continue;
    if (match.index > plain) nodes.push({ type: 'text', text: text.slice(plain, match.index) });
    nodes.push(found.node);
    plain = at = found.next;
  }
  if (plain < text.length) nodes.push({ type: 'text', text: text.slice(plain) });
  return nodes;
}
