import { h, icon, setAttribute, setText } from './dom.js';
import { createPartView } from './part-views.js';
import { createPicker } from './picker.js';
import { clockTime } from './time.js';
/** @import { Message, Part } from './types.d.ts' */
/** @import { PartView } from './part-views.js' */
/** @import { Fold, Resolution } from './fold.js' */

/** Views of messages: what a person said, and an answer with its parts. */

/** @param {Message} message */
export function textOf({ content }) {
  return content
    .filter((part) => part?.type === 'text')
    .map((part) => part.text)
    .join('\n');
}

/** @param {Message} message @param {(messageId: string) => void} onPick */
export function createUserView(message, onPick) {
  const body = h('div', { class: 'bubble' });
  const files = h('div', { class: 'sent-files' });
  const picker = createPicker(onPick);
  const element = h('article', { class: 'msg user', 'aria-label': 'You' });
  element.append(body, files, picker.element);
  const update = (/** @type {Message} */ next) => {
    setText(body, textOf(next));
    picker.update(next, false);
    const views = next.content.flatMap((part) => {
      const view = part?.type === 'attachment' ? createPartView(part) : undefined;
      view?.update(part, { rawArgs: undefined, live: false, asking: false });
      return view ? [view.element] : [];
    });
    files.replaceChildren(...views);
  };
  update(message);
  return { element, update };
}

/** @type {Record<string, string>} */
const DECIDED = {
  approve: 'Approved',
  edit: 'Edited and approved',
  reject: 'Rejected',
  respond: 'Answered in its place',
  retry: 'Run again',
  done: 'Taken as done',
  skip: 'Skipped',
};

/** @param {Resolution} resolution @param {boolean} mine */
function resolutionText({ outcome, decisions, decidedBy, decidedAt }, mine) {
  if (outcome === 'expired') return 'Nobody answered in time.';
  if (outcome !== 'decided') return 'The question was withdrawn.';
  const kinds = [...new Set(decisions.map(({ decision }) => DECIDED[decision] ?? decision))];
  const what = kinds.length === 0 ? 'Answered' : kinds.join(', ');
  const where = mine ? 'here' : `in another tab${decidedBy === null ? '' : ` by ${decidedBy}`}`;
  return `${what} ${where} at ${clockTime(decidedAt)}.`;
}

/** @param {Message} message @param {Fold | undefined} fold */
function stateText(message, fold) {
  if (fold?.status === 'queued' && fold.position > 0)
    return `Waits for its turn: number ${fold.position}.`;
  if (message.error) return `Failed: ${message.error.message}`;
  if (message.status === 'unfinished') return 'Stopped. What was said so far is kept.';
  return '';
}

/**
 * The sub-agent whose parts begin here; '' where none does.
 * @param {Part[]} content @param {number} index @param {Fold | undefined} fold
 */
function subLabel(content, index, fold) {
  const path = content[index]?.path;
  const before = content[index - 1]?.path;
  if (!path || path.join('/') === before?.join('/')) return '';
  const call = path.at(-1) ?? '';
  const name = fold?.agents.get(call) ?? content.find((part) => part?.toolCallId === call)?.name;
  return `Sub-agent ${name ?? ''}`;
}

/** Reasoning is over when something follows it. @param {Part} part @param {boolean} last */
const isWriting = ({ type }, last) => type !== 'reasoning' || last;

/** @param {{ row: HTMLElement, label: HTMLElement }} view @param {{ part: Part, label: string }} of */
function mark(view, { part, label }) {
  setAttribute(view.row, 'class', part.path ? 'part sub' : 'part');
  view.label.hidden = label === '';
  setText(view.label, label);
}

/** With what waits to be heard behind it. @param {Part[]} content @param {Fold | undefined} fold @returns {Part[]} */
function withUnheard(content, fold) {
  const waits = (fold?.unheard ?? []).filter(
    ({ messageId }) => !content.some((part) => part?.messageId === messageId),
  );
  return [...content, ...waits.map((said) => ({ type: 'steered', ...said }))];
}

/** Rows of the parts of one answer. */
function createParts() {
  const element = h('div', { class: 'parts' });
  /** @type {(PartView & { type: string, row: HTMLElement, label: HTMLElement } | undefined)[]} */
  const views = [];

  /** @param {Part} part @param {number} index */
  const viewOf = (part, index) => {
    const known = views[index];
    if (known?.type === part.type) return known;
    const made = createPartView(part);
    if (!made) return undefined;
    const label = h('div', { class: 'sub-label', hidden: true });
    const row = h('div', { class: 'part' }, label, made.element);
    if (known) known.row.replaceWith(row);
    else element.append(row);
    return (views[index] = { ...made, type: part.type, row, label });
  };

  /** @param {Part[]} content @param {{ fold: Fold | undefined, live: boolean }} context */
  const update = (content, { fold, live }) => {
    const asking = fold?.pendingAction?.kind === 'ask_user_question';
    const all = withUnheard(content, fold);
    for (const [index, part] of all.entries()) {
      const view = part && viewOf(part, index);
      if (!view) continue;
      const rawArgs = fold?.rawArgs.get(part.toolCallId ?? '');
      const writing = live && isWriting(part, index === content.length - 1);
      view.update(part, { rawArgs, live: writing, asking });
      mark(view, { part, label: subLabel(all, index, fold) });
    }
    for (const gone of views.splice(all.length)) gone?.row.remove();
  };
  return { element, update };
}

/** How the answer looks: what its rail and its buttons are drawn from. @param {Message} message @param {Fold | undefined} fold */
function toneOf(message, fold) {
  return message.error ? 'failed' : (fold?.status ?? null);
}

/** @typedef {{ fold?: Fold | undefined, live: boolean, mine?: ReadonlySet<string> }} AnswerContext */

/**
 * @param {{ onAgain: (how: 'regenerate' | 'continue', message: Message) => void, onPick: (messageId: string) => void }} deps
 */
export function createAnswerView({ onAgain, onPick }) {
  const rail = h('div', { class: 'rail', 'aria-hidden': 'true' });
  const parts = createParts();
  const notes = h('ul', { class: 'notes' });
  const slot = h('div', { class: 'slot' });
  const state = h('p', { class: 'state' });
  const pulse = h('span', { class: 'pulse', hidden: true, 'aria-hidden': 'true' });
  const again = (
    /** @type {'regenerate' | 'continue'} */ how,
    /** @type {(Node | string)[]} */ ...words
  ) => {
    const onclick = () => shown && onAgain(how, shown);
    return h('button', { type: 'button', class: 'quiet', hidden: true, onclick }, ...words);
  };
  const words = h('span', {}, 'Try again');
  const retry = again('regenerate', icon('retry'), words);
  const goOn = again('continue', 'Go on');
  const picker = createPicker(onPick);
  const foot = h('div', { class: 'foot' }, state, picker.element, goOn, retry);
  const element = h('article', { class: 'msg answer', 'aria-label': 'Answer' });
  element.append(rail, parts.element, notes, slot, pulse, foot);
  /** @type {Message | undefined} */
  let shown;

  /** @param {Message} message @param {AnswerContext} context */
  const update = (message, { fold, live, mine = new Set() }) => {
    shown = message;
    parts.update(message.content, { fold, live });
    const told = (fold?.resolutions ?? []).map((each) =>
      resolutionText(each, mine.has(each.actionId)),
    );
    if (told.length !== notes.children.length)
      notes.replaceChildren(...told.map((text) => h('li', {}, text)));
    setText(state, stateText(message, live ? fold : undefined));
    setAttribute(state, 'class', message.error ? 'state bad' : 'state');
    retry.hidden = live;
    setText(words, message.status === 'unfinished' ? 'Try again' : 'Another answer');
    goOn.hidden = live || message.status !== 'unfinished';
    picker.update(message, live);
    pulse.hidden = !live || fold?.status === 'paused';
    setAttribute(element, 'data-live', String(live));
    setAttribute(element, 'data-state', toneOf(message, fold));
  };

  return {
    element,
    slot,
    update,
    /** A knot in the rail, where the line was cut and tied again. @param {string} title */
    knot(title) {
      const knot = h('span', { class: 'knot', title });
      knot.style.top = `${parts.element.offsetHeight}px`;
      rail.append(knot);
    },
  };
}
