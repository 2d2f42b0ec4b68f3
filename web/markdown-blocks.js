import { MAX_COLUMNS, MAX_DEPTH, parseInline } from './markdown.js';
/** @import { Block } from './markdown.js' */

/** The blocks of a Markdown text; each knows its source, so that a view draws again only what changed. Pure. */

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]{0,30})/;
const HEADING = /^ {0,3}(#{1,6})[ \t]+(?=\S)/;
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:\s+([^]*))?$/;
const QUOTE = /^ {0,3}> ?/;
const DELIMITER = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*){0,40}\|?\s*$/;

/** @typedef {{ lines: string[], at: number, depth: number }} Source */

/** @param {Source} source @param {number} from */
const rawOf = ({ lines, at }, from) => lines.slice(from, at).join('\n');

/** @param {Source} source @returns {Block | undefined} */
function fenced(source) {
  const from = source.at;
  const [, fence, lang = ''] = FENCE.exec(source.lines[from] ?? '') ?? [];
  if (fence === undefined) return undefined;
  const close = (/** @type {string} */ line) => {
    const trimmed = line.trim();
    return trimmed.startsWith(fence) && trimmed.replaceAll(fence[0] ?? '', '') === '';
  };
  source.at += 1;
  const body = [];
  while (source.at < source.lines.length) {
    const line = source.lines[source.at++] ?? '';
    if (close(line)) break;
    body.push(line);
  }
  return { type: 'code', lang, text: body.join('\n'), raw: rawOf(source, from) };
}

/** @param {Source} source @returns {Block | undefined} */
function heading(source) {
  const line = source.lines[source.at] ?? '';
  const [whole = '', marks] = HEADING.exec(line) ?? [];
  if (marks === undefined) return undefined;
  source.at += 1;
  const text = line.slice(whole.length).trimEnd();
  return { type: 'heading', level: marks.length, children: parseInline(text), raw: line };
}

/** @param {Source} source @returns {Block | undefined} */
function rule(source) {
  const line = source.lines[source.at] ?? '';
  if (!RULE.test(line)) return undefined;
  source.at += 1;
  return { type: 'rule', raw: line };
}

/** @param {Source} source @returns {Block | undefined} */
function quote(source) {
  const from = source.at;
  const inner = [];
  while (QUOTE.test(source.lines[source.at] ?? '')) {
    inner.push((source.lines[source.at++] ?? '').replace(QUOTE, ''));
  }
  if (inner.length === 0) return undefined;
  return { type: 'quote', blocks: blocksOf(inner, source.depth + 1), raw: rawOf(source, from) };
}

/** Lines that belong to the item whose text begins in column `indent`. @param {Source} source @param {number} indent */
function itemLines(source, indent) {
  const own = [];
  while (source.at < source.lines.length) {
    const line = source.lines[source.at] ?? '';
    const next = source.lines[source.at + 1] ?? '';
    const deeper = line.search(/\S/) >= indent;
    const blankInside = line.trim() === '' && next.search(/\S/) >= indent;
    const lazy = own.length === 0 && line.trim() !== '' && !begins(line);
    if (!deeper && !blankInside && !lazy) break;
    own.push(deeper ? line.slice(indent) : line.trimStart());
    source.at += 1;
  }
  return own;
}

/** The item that this line begins. @param {string} line */
function itemOf(line) {
  const [, space = '', mark, text = ''] = ITEM.exec(line) ?? [];
  if (mark === undefined || RULE.test(line)) return undefined;
  return { indent: space.length + 2, mark, ordered: /\d/.test(mark), text };
}

/** @param {Source} source @returns {Block | undefined} */
function list(source) {
  const from = source.at;
  const lineAt = (/** @type {number} */ at) => source.lines[at] ?? '';
  const first = itemOf(lineAt(from));
  if (first === undefined) return undefined;
  /** @type {Block[][]} */
  const items = [];
  for (
    let item = itemOf(lineAt(from));
    item?.ordered === first.ordered;
    item = itemOf(lineAt(source.at))
  ) {
    source.at += 1;
    items.push(blocksOf([item.text, ...itemLines(source, item.indent)], source.depth + 1));
    const blank = lineAt(source.at).trim() === '';
    if (blank && itemOf(lineAt(source.at + 1))?.ordered === first.ordered) source.at += 1;
  }
  const { ordered, mark } = first;
  const start = ordered ? Number.parseInt(mark, 10) : 1;
  return { type: 'list', ordered, start, items, raw: rawOf(source, from) };
}

/** @param {string} line */
function cells(line) {
  const inner = line.trim().replace(/^\|/, '').replace(/\|$/, '');
  const found = inner.split(/(?<!\\)\|/, MAX_COLUMNS);
  return found.map((cell) => parseInline(cell.trim().replaceAll('\\|', '|')));
}

/** @param {Source} source @returns {Block | undefined} */
function table(source) {
  const from = source.at;
  const head = source.lines[from] ?? '';
  const delimiter = source.lines[from + 1] ?? '';
  if (!head.includes('|') || !delimiter.includes('-') || !DELIMITER.test(delimiter))
    return undefined;
  source.at += 2;
  const rows = [];
  while ((source.lines[source.at] ?? '').includes('|'))
    rows.push(cells(source.lines[source.at++] ?? ''));
  return { type: 'table', head: cells(head), rows, raw: rawOf(source, from) };
}

/** Whether a line ends the paragraph before it. @param {string} line */
function begins(line) {
  return [FENCE, HEADING, RULE, QUOTE, ITEM].some((pattern) => pattern.test(line));
}

/** @param {Source} source @returns {Block} */
function paragraph(source) {
  const from = source.at;
  do source.at += 1;
  while (source.at < source.lines.length && !endsParagraph(source));
  const raw = rawOf(source, from);
  return { type: 'paragraph', children: parseInline(raw.trim()), raw };
}

/** @param {Source} source */
function endsParagraph({ lines, at }) {
  const line = lines[at] ?? '';
  return line.trim() === '' || begins(line);
}

const KINDS = [fenced, heading, rule, quote, list, table];

/** @param {string[]} lines @param {number} depth @returns {Block[]} */
function blocksOf(lines, depth) {
  const raw = lines.join('\n');
  if (depth > MAX_DEPTH)
    return [{ type: 'paragraph', children: [{ type: 'text', text: raw }], raw }];
  const source = { lines, at: 0, depth };
  /** @type {Block[]} */
  const blocks = [];
  while (source.at < lines.length) {
    if ((lines[source.at] ?? '').trim() === '') source.at += 1;
    else blocks.push(blockAt(source));
  }
  return blocks;
}

/** @param {Source} source @returns {Block} */
function blockAt(source) {
  for (const kind of KINDS) {
    const block = kind(source);
    if (block) return block;
  }
  return paragraph(source);
}

/** @param {string} text @returns {Block[]} */
export function parseBlocks(text) {
  return blocksOf(text.replace(/\r\n?/g, '\n').split('\n'), 0);
}
