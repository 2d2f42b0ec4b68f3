import { createQuestionView } from './ask-view.js';
import { createCustomView } from './custom-view.js';
import { h, setAttribute, setText } from './dom.js';
import { createRequestView, DECISIONS } from './request-view.js';
import { duration } from './time.js';
/** @import { PendingAction, Verdict } from './types.d.ts' */

/** The card of what a paused answer waits for: one form, one submit, one decision for each call. */

/** @type {Record<string, { title: string, lead: string }>} */
const KINDS = {
  tool_approval: {
    title: 'Waiting for your approval',
    lead: 'The answer is paused, durably: reload, come back tomorrow, or decide in another tab.',
  },
  ask_user_question: {
    title: 'A question for you',
    lead: 'The answer goes on when you have said.',
  },
  custom: {
    title: 'The agent waits for you',
    lead: 'The answer goes on with your response.',
  },
  recovery: {
    title: 'Did it happen?',
    lead: 'The server stopped while this ran, so nobody knows whether it took effect. Look, then decide.',
  },
};

/** Urgent from here on. */
const SOON_MS = 5 * 60_000;

let made = 0;

/**
 * @param {PendingAction} action
 * @param {{ onSubmit: (verdict: Verdict) => Promise<void> }} deps `onSubmit` rejects with what to show
 */
export function createActionView(action, { onSubmit }) {
  const id = `action-${(made += 1)}`;
  const { title, lead } = KINDS[action.kind] ?? { title: 'Waiting for you', lead: '' };
  const heading = h('h3', { id, tabindex: '-1' }, title);
  const countdown = h('span', { class: 'countdown' });
  const problem = h('p', { class: 'problem', role: 'alert' });
  const submit = h('button', { type: 'submit', class: 'primary' });
  const questions = (action.questions ?? []).map(createQuestionView);
  const customs = action.kind === 'custom' ? [createCustomView(action)] : [];
  /** @type {ReturnType<typeof createRequestView>[]} */
  const requests = [];
  const asked = action.requests ?? [];
  for (const [index, each] of asked.entries()) {
    const place = asked.length > 1 ? `${index + 1} of ${asked.length}` : '';
    requests.push(createRequestView(each, { place, onChange: () => label() }));
  }
  const all = h('div', { class: 'all' });
  const form = h('form', { class: `action ${action.kind}`, 'aria-labelledby': id });
  form.append(
    h('header', {}, heading, countdown),
    h('p', { class: 'soft' }, lead),
    all,
    ...[...requests, ...questions, ...customs].map(({ element }) => element),
    h('footer', {}, submit, problem),
  );

  const common = asked
    .map(({ allowedDecisions }) => allowedDecisions)
    .reduce(
      (some, each) => some.filter((decision) => each.includes(decision)),
      ['approve', 'reject', 'skip'],
    );
  if (requests.length > 1) {
    for (const decision of common) {
      const choose = () => requests.forEach((view) => view.choose(decision));
      all.append(
        h(
          'button',
          { type: 'button', class: 'quiet', onclick: choose },
          `${DECISIONS[decision]?.label} all`,
        ),
      );
    }
  }

  function label() {
    const [only] = requests;
    const single = requests.length === 1 ? DECISIONS[only?.chosen() ?? '']?.submit : undefined;
    const many = requests.length > 1 ? `Submit ${requests.length} decisions` : undefined;
    setText(submit, single ?? many ?? (requests.length > 0 ? 'Decide' : 'Answer'));
  }

  /** @returns {Verdict | undefined} */
  const read = () => {
    const [custom] = customs;
    if (custom) return custom.read();
    const decisions = requests.map((view) => view.read());
    const said = questions.map((view) => /** @type {const} */ ([view.id, view.read()]));
    if (questions.length > 0) {
      const given = said.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]));
      return given.length === said.length ? { answers: Object.fromEntries(given) } : undefined;
    }
    const whole = decisions.flatMap((each) => (each === undefined ? [] : [each]));
    return whole.length === decisions.length ? { decisions: whole } : undefined;
  };

  /** @param {boolean} busy */
  const setBusy = (busy) => {
    submit.disabled = busy;
    setAttribute(form, 'aria-busy', busy ? 'true' : null);
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const verdict = read();
    if (verdict === undefined || submit.disabled) return;
    setText(problem, '');
    setBusy(true);
    onSubmit(verdict).catch((/** @type {Error} */ error) => {
      setBusy(false);
      setText(problem, error.message);
    });
  });

  const tick = () => {
    const left = Date.parse(action.expiresAt ?? '') - Date.now();
    if (Number.isNaN(left)) return setText(countdown, 'does not expire');
    setText(countdown, left > 0 ? `expires in ${duration(left)}` : 'expired');
    setAttribute(countdown, 'class', left < SOON_MS ? 'countdown soon' : 'countdown');
  };
  const timer = setInterval(tick, 1_000);
  tick();
  label();
  const names = asked.map(({ name }) => name).join(', ');
  return {
    actionId: action.actionId,
    element: form,
    /** What a screen reader is told of it. */
    announcement: `${title}${names === '' ? '' : `: ${names}`}.`,
    focus: () => heading.focus(),
    hasFocus: () => form.contains(document.activeElement),
    dispose() {
      clearInterval(timer);
      form.remove();
    },
  };
}
