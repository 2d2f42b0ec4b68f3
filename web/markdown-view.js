import { h } from './dom.js';
import { parseBlocks } from './markdown-blocks.js';
/** @import { Inline } from './markdown.js' */
/** @import { Block } from './markdown.js' */

/** Markdown trees as DOM nodes. */

/** @param {Inline[]} nodes @returns {Node[]} */
function inlineNodes(nodes) {
  return nodes.map(inlineNode);
}

/** @param {Inline} node @returns {Node} */
function inlineNode(node) {
  if (node.type === 'text') return document.createTextNode(node.text);
  if (node.type === 'code') return h('code', {}, node.text);
  if (node.type === 'br') return h('br');
  const children = inlineNodes(node.children);
  if (node.type !== 'link') return h(node.type, {}, ...children);
  const props = { href: node.href, target: '_blank', rel: 'noopener noreferrer nofollow' };
  return h('a', props, ...children);
}

/** @param {'th' | 'td'} tag @param {Inline[][]} cells */
const row = (tag, cells) => h('tr', {}, ...cells.map((cell) => h(tag, {}, ...inlineNodes(cell))));

/** @type {('h3' | 'h4' | 'h5' | 'h6')[]} */
const HEADINGS = ['h3', 'h4', 'h5'];

/** @type {{ [T in Block['type']]: (block: Extract<Block, { type: T }>) => HTMLElement }} */
const DRAW = {
  // The page has the levels above.
  heading: ({ level, children }) => h(HEADINGS[level - 1] ?? 'h6', {}, ...inlineNodes(children)),
  paragraph: ({ children }) => h('p', {}, ...inlineNodes(children)),
  code: ({ lang, text }) =>
    h('pre', { tabindex: '0', 'data-lang': lang || null }, h('code', {}, text)),
  quote: ({ blocks }) => h('blockquote', {}, ...blocks.map(blockNode)),
  list: ({ ordered, start, items }) => {
    const drawn = items.map((blocks) => h('li', {}, ...itemNodes(blocks)));
    return ordered ? h('ol', { start }, ...drawn) : h('ul', {}, ...drawn);
  },
  table: ({ head, rows }) =>
    h(
      'div',
      { class: 'table', tabindex: '0', role: 'region', 'aria-label': 'Table' },
      h(
        'table',
        {},
        h('thead', {}, row('th', head)),
        h('tbody', {}, ...rows.map((r) => row('td', r))),
      ),
    ),
  rule: () => h('hr'),
};

/** An item of one line needs no paragraph. @param {Block[]} blocks @returns {Node[]} */
function itemNodes(blocks) {
  return blocks.flatMap((block, index) =>
    index === 0 && block.type === 'paragraph' ? inlineNodes(block.children) : [blockNode(block)],
  );
}

/** @param {Block} block @returns {HTMLElement} */
function blockNode(block) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the drawer is found by the block's own type
  const draw = /** @type {(block: Block) => HTMLElement} */ (DRAW[block.type]);
  return draw(block);
}

/** An element that shows a text that grows; blocks whose source stands are left alone. */
export function createMarkdownView() {
  const element = h('div', { class: 'prose' });
  let shown = '';
  /** @type {string[]} */
  let raws = [];

  /** @param {string} text */
  const update = (text) => {
    if (text === shown) return;
    shown = text;
    const blocks = parseBlocks(text);
    for (const [index, block] of blocks.entries()) {
      // The same source in the same place was drawn as the same kind, except while it is the last and may yet change.
      if (raws[index] === `${block.type}\n${block.raw}`) continue;
      const node = blockNode(block);
      const old = element.children[index];
      if (old) old.replaceWith(node);
      else element.append(node);
    }
    while (element.children.length > blocks.length) element.lastElementChild?.remove();
    raws = blocks.map((block) => `${block.type}\n${block.raw}`);
  };
  return { element, update };
}
