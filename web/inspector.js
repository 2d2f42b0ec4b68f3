import { h, setText } from './dom.js';
/** @import { Frame } from './types.d.ts' */

/** Raw events as they came, the last ones: an answer of any length costs a bounded list. */

const MAX_ROWS = 300;
const SHORT_CHARS = 140;
/** In every event, and told by its id. */
const PLACE = /^\{"seq":\d+,"at":"[^"]*",?/;
const DELTAS = new Set(['text_delta', 'reasoning_delta', 'tool_args_delta']);

/** @typedef {{ id: string, event: string, json: string } | { note: string }} Entry */

/** @param {Entry} entry */
function row(entry) {
  if ('note' in entry) return h('li', { class: 'wire' }, entry.note);
  const { id, event, json } = entry;
  const pre = h('pre', { tabindex: '0' });
  const open = () => setText(pre, JSON.stringify(JSON.parse(json), null, 2));
  const short = h('span', { class: 'short' }, json.replace(PLACE, '{').slice(0, SHORT_CHARS));
  const summary = h('summary', {}, h('code', {}, id), h('b', {}, event), short);
  return h('li', { 'data-event': event }, h('details', { ontoggle: open }, summary, pre));
}

/**
 * @param {{ panel: HTMLElement, list: HTMLElement, count: HTMLElement, deltas: HTMLInputElement }} elements
 */
export function createInspector({ panel, list, count, deltas }) {
  /** @type {Entry[]} */
  let entries = [];
  /** @type {Entry[]} */
  let fresh = [];
  let total = 0;
  let scheduled = false;

  /** @param {Entry} entry */
  const wanted = (entry) => deltas.checked || 'note' in entry || !DELTAS.has(entry.event);

  const draw = () => {
    scheduled = false;
    setText(count, `${total} events`);
    if (panel.hidden) return;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    list.append(...fresh.filter(wanted).map(row));
    fresh = [];
    while (list.children.length > MAX_ROWS) list.firstElementChild?.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
  };

  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    setTimeout(draw, 100);
  };

  /** @param {Entry} entry */
  const add = (entry) => {
    entries = [...entries.slice(1 - MAX_ROWS), entry];
    fresh = [...fresh.slice(1 - MAX_ROWS), entry];
    schedule();
  };

  const redraw = () => {
    list.replaceChildren();
    fresh = entries;
    draw();
  };
  deltas.addEventListener('change', redraw);

  return {
    /** @param {Frame} frame */
    frame({ id, event, data }) {
      total += 1;
      add({ id, event, json: JSON.stringify(data) });
    },
    /** What happens on the wire beside events. @param {string} text */
    note: (text) => add({ note: text }),
    clear() {
      entries = [];
      total = 0;
      redraw();
    },
    /** @param {boolean} open */
    show(open) {
      panel.hidden = !open;
      if (open) redraw();
    },
  };
}
