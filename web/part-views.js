import { h, icon, setAttribute, setText } from './dom.js';
import { createMarkdownView } from './markdown-view.js';
import { safeHref } from './markdown.js';
/** @import { Obj, Part } from './types.d.ts' */

/**
 * Views of the parts of an answer. Each shows its part again whenever it is told to.
 * @typedef {{ rawArgs: string | undefined, live: boolean, asking: boolean }} PartContext
 * @typedef {{ element: HTMLElement, update: (part: Part, context: PartContext) => void }} PartView
 */

/** Of an output that is longer so much is shown at first. */
const PREVIEW_CHARS = 3_000;

/** @returns {PartView} */
function textView() {
  const { element, update } = createMarkdownView();
  return { element, update: (part) => update(part.text ?? '') };
}

/** @returns {PartView} */
function reasoningView() {
  const label = h('span', {}, 'Thinking');
  const body = h('div', { class: 'reasoning-text' });
  const element = h('details', { class: 'reasoning' }, h('summary', {}, label), body);
  return {
    element,
    update(part, { live }) {
      const text = part.text ?? '';
      const words = text.split(/\s+/).filter(Boolean).length;
      setText(label, `${live ? 'Thinking…' : 'Thought'} · ${words} words`);
      setText(body, text);
    },
  };
}

/** What a status is called, and how it looks. @type {Record<string, [string, string]>} */
const TOOL_STATUS = {
  streaming: ['being written', 'busy'],
  ready: ['running', 'busy'],
  waiting: ['waiting for you', 'wait'],
  running: ['running', 'busy'],
  ok: ['done', 'good'],
  error: ['failed', 'bad'],
  rejected: ['rejected', 'bad'],
  responded: ['answered by a person', 'good'],
  outcome_unknown: ['outcome unknown', 'bad'],
  denied: ['forbidden by policy', 'bad'],
};

/** @param {Part} part @param {{ live: boolean, asking: boolean }} context */
function statusOf({ name, status = '' }, { live, asking }) {
  // The call of a question has no status of its own while the person is asked.
  const key = asking && name === 'ask_user' && status === 'ready' ? 'waiting' : status;
  const [words, tone] = TOOL_STATUS[key] ?? [key, ''];
  // Where nothing runs any more a call without a result was left behind.
  if (!live && tone === 'busy') return { key, words: 'not run to its end', tone: 'bad' };
  return { key, words, tone };
}

/** @param {Obj | undefined} args */
function shortArgs(args) {
  const text = Object.values(args ?? {})
    .map((value) => (typeof value === 'string' ? value : JSON.stringify(value)))
    .join(', ');
  return text.length > 90 ? `${text.slice(0, 90)}…` : text;
}

/** A labelled text that can be long. @param {string} title */
function textBlock(title) {
  const pre = h('pre', { tabindex: '0', 'aria-label': title });
  const more = h('button', { type: 'button', class: 'link', hidden: true });
  const element = h('div', { class: 'tool-block', hidden: true }, h('h4', {}, title), pre, more);
  let all = false;
  let full = '';
  const show = () => {
    setText(pre, all ? full : full.slice(0, PREVIEW_CHARS));
    more.hidden = all || full.length <= PREVIEW_CHARS;
    setText(more, `Show all ${full.length.toLocaleString()} characters`);
  };
  more.addEventListener('click', () => {
    all = true;
    show();
    pre.focus();
  });
  return {
    element,
    /** @param {string | undefined} text undefined: nothing to show */
    update(text) {
      element.hidden = text === undefined;
      if (text === undefined || text === full) return;
      full = text;
      show();
    },
  };
}

/** @param {Part} part */
function decidedHow({ decision, proposedArgs }) {
  if (proposedArgs !== undefined) return 'edited by a person';
  return decision === 'approve' ? 'approved' : '';
}

/** @returns {PartView} */
function toolView() {
  const name = h('code', { class: 'tool-name' });
  const args = h('span', { class: 'tool-args' });
  const decided = h('span', { class: 'tool-decided' });
  const status = h('span', { class: 'chip' });
  const summary = h('summary', {}, icon('tool'), name, args, decided, status);
  const blocks = {
    proposed: textBlock('The model proposed'),
    args: textBlock('Arguments'),
    output: textBlock('Output'),
  };
  const body = h('div', { class: 'tool-body' }, ...Object.values(blocks).map((b) => b.element));
  const element = h('details', { class: 'tool' }, summary, body);
  return {
    element,
    update(part, { rawArgs, live, asking }) {
      const { key, words, tone } = statusOf(part, { live, asking });
      setText(name, part.name ?? '');
      setText(args, shortArgs(part.args));
      setText(decided, decidedHow(part));
      setText(status, words);
      setAttribute(status, 'class', `chip ${tone}`);
      setAttribute(element, 'data-status', key);
      blocks.proposed.update(part.proposedArgs && JSON.stringify(part.proposedArgs, null, 2));
      blocks.args.update(rawArgs ?? JSON.stringify(part.args ?? {}, null, 2));
      blocks.output.update(part.output);
    },
  };
}

/** @returns {PartView} */
function attachmentView() {
  const element = h('p', { class: 'attachment' });
  return {
    element,
    update({ name = 'attachment', mediaType = '', url = '' }) {
      // Ours are named without a host.
      const href = /^\/api\/files\/[\w.:-]+$/.test(url) ? url : safeHref(url);
      const label = `${name}${mediaType === '' ? '' : ` (${mediaType})`}`;
      const props = { href, target: '_blank', rel: 'noopener noreferrer nofollow' };
      const isImage = href === url && /^image\/(png|jpeg|gif|webp)$/.test(mediaType);
      const shown = isImage
        ? h('img', { src: href, alt: label, loading: 'lazy', class: 'thumb' })
        : label;
      element.replaceChildren(href === undefined ? label : h('a', props, shown));
    },
  };
}

/** @returns {PartView} */
function steeredView() {
  const body = h('div', { class: 'bubble' });
  const note = h('small', { class: 'soft' });
  return {
    element: h('article', { class: 'steered', 'aria-label': 'You' }, body, note),
    update({ text = '', heard }) {
      setText(body, text);
      const ended = heard === false ? 'The answer ended before it was heard.' : '';
      setText(note, heard === undefined ? 'Waits to be heard.' : ended);
    },
  };
}

/** @type {Record<string, () => PartView>} */
const VIEWS = {
  text: textView,
  reasoning: reasoningView,
  tool_call: toolView,
  attachment: attachmentView,
  steered: steeredView,
};

/** Undefined for a kind of part that this page does not know. @param {Part} part */
export function createPartView(part) {
  return Object.hasOwn(VIEWS, part.type) ? VIEWS[part.type]?.() : undefined;
}
