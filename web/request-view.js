import { h, setText } from './dom.js';
import { createEditView } from './edit-view.js';
/** @import { ApprovalRequest, Decision } from './types.d.ts' */

/** One call that waits for a person: what it would do, and what may be decided of it. */

/** @type {Record<string, { label: string, hint: string, submit: string }>} */
export const DECISIONS = {
  approve: { label: 'Approve', hint: 'Runs with exactly these arguments.', submit: 'Approve' },
  edit: { label: 'Edit', hint: 'Runs with your arguments instead.', submit: 'Run with my edits' },
  reject: { label: 'Reject', hint: 'Does not run; the model is told.', submit: 'Reject' },
  respond: {
    label: 'Respond',
    hint: 'Does not run; your words are its result.',
    submit: 'Send my answer',
  },
  retry: { label: 'Run it again', hint: 'It may happen twice.', submit: 'Run it again' },
  done: {
    label: 'It happened',
    hint: 'The model is given the result that you write.',
    submit: 'Give this result',
  },
  skip: {
    label: 'Skip it',
    hint: 'The model is told that the outcome is not known.',
    submit: 'Skip it',
  },
};

const TEXT = {
  reject: 'Reason (optional; the model reads it)',
  respond: 'Your answer in its place',
  done: 'The result that it had',
};

/** Decisions that carry on: where a "no" is the default none of them is chosen beforehand. */
const YES = ['approve', 'edit', 'retry', 'done'];

/** @param {ApprovalRequest} request */
function preselected({ allowedDecisions, defaultToNo }) {
  const [first] = allowedDecisions;
  if (!defaultToNo) return first !== undefined && first === 'approve' ? first : undefined;
  return allowedDecisions.find((decision) => !YES.includes(decision));
}

/** @param {ApprovalRequest} request */
function argsTable({ args, name }) {
  const entries = Object.entries(args);
  if (entries.length === 0) return h('p', { class: 'soft' }, 'Without arguments.');
  const rows = entries.flatMap(([key, value]) => [
    h('dt', {}, key),
    h('dd', {}, typeof value === 'string' ? value : JSON.stringify(value, null, 2)),
  ]);
  return h('dl', { class: 'args', 'aria-label': `Arguments of ${name}` }, ...rows);
}

let made = 0;

/** @param {{ id: string, label: string }} of */
function textPanel({ id, label }) {
  const area = h('textarea', { id, rows: '2', maxlength: '10000' });
  const element = h('div', { class: 'field' }, h('label', { for: id }, label), area);
  return { element, read: () => area.value, focus: () => area.focus() };
}

/** @param {string} id @param {string} tool */
function scopePanel(id, tool) {
  const select = h(
    'select',
    { id },
    h('option', { value: 'once' }, 'ask me again'),
    h('option', { value: 'conversation' }, 'do not ask in this conversation'),
    h('option', { value: 'always' }, `always allow ${tool}`),
  );
  const element = h('div', { class: 'scope' }, h('label', { for: id }, 'Next time'), select);
  return { element, read: () => select.value };
}

/** @typedef {{ decision: Decision } | { problem: string }} ReadDecision */

/** @param {ApprovalRequest} request @param {{ place: string, onChange: () => void }} of `place` in the batch, '' alone */
export function createRequestView(request, { place, onChange }) {
  const key = `call-${(made += 1)}`;
  const { toolCallId, name, description, allowedDecisions, mayRemember } = request;
  const edit = createEditView(request);
  const texts = Object.fromEntries(
    Object.entries(TEXT).map(([kind, label]) => [kind, textPanel({ id: `${key}-${kind}`, label })]),
  );
  const scope = scopePanel(`${key}-scope`, name);
  const hint = h('p', { class: 'hint' });
  const panel = h('div', { class: 'panel' });
  const problem = h('p', { class: 'problem', role: 'alert' });
  const radios = allowedDecisions.map((decision) => {
    const input = h('input', {
      type: 'radio',
      name: key,
      value: decision,
      onchange: () => choose(decision),
    });
    return {
      input,
      label: h('label', {}, input, h('span', {}, DECISIONS[decision]?.label ?? decision)),
    };
  });
  const group = h('div', {
    class: 'choices',
    role: 'radiogroup',
    'aria-label': `Decision on ${name}`,
  });
  group.append(...radios.map(({ label }) => label));
  const table = argsTable(request);
  scope.element.hidden = true;
  const element = h(
    'fieldset',
    { class: 'call' },
    h(
      'legend',
      {},
      h('code', {}, name),
      place === '' ? null : h('span', { class: 'place' }, place),
    ),
    description === undefined ? null : h('p', { class: 'soft' }, description),
    table,
    group,
    h('div', { class: 'choice-foot' }, hint, scope.element),
    panel,
    problem,
  );
  /** @type {string | undefined} */
  let chosen;

  /** @param {string} decision */
  const choose = (decision) => {
    chosen = decision;
    for (const { input } of radios) input.checked = input.value === decision;
    const remembers = (decision === 'approve' || decision === 'edit') && mayRemember !== false;
    const body = decision === 'edit' ? edit : texts[decision];
    panel.replaceChildren(...(body ? [body.element] : []));
    scope.element.hidden = !remembers;
    table.hidden = decision === 'edit';
    setText(hint, DECISIONS[decision]?.hint ?? '');
    setText(problem, '');
    onChange();
  };

  const scoped = () =>
    mayRemember === false || scope.read() === 'once' ? {} : { scope: scope.read() };

  /** What belongs to a decision; a text: what is missing; undefined: that is shown already. @type {Record<string, () => Partial<Decision> | string | undefined>} */
  const details = {
    approve: scoped,
    edit: () => {
      const editedArgs = edit.read();
      return editedArgs && { editedArgs, ...scoped() };
    },
    reject: () => {
      const reason = texts['reject']?.read().trim();
      return reason ? { reason } : {};
    },
    respond: () => needed('respond'),
    done: () => needed('done'),
  };

  /** @param {string} kind */
  const needed = (kind) => {
    const responseText = texts[kind]?.read().trim();
    return responseText ? { responseText } : 'This needs a text.';
  };

  /** @returns {Decision | undefined} undefined: the problem is shown, and the focus is on it */
  const read = () => {
    const found =
      chosen === undefined ? 'Choose what is to be done.' : (details[chosen] ?? Object)();
    setText(problem, typeof found === 'string' ? found : '');
    if (typeof found === 'object' && chosen !== undefined)
      return { toolCallId, decision: chosen, ...found };
    const at = chosen === 'edit' ? undefined : texts[chosen ?? ''];
    if (at) at.focus();
    else if (chosen === undefined) radios[0]?.input.focus();
    return undefined;
  };

  const first = preselected(request);
  if (first !== undefined) choose(first);
  return {
    element,
    choose: (/** @type {string} */ decision) =>
      allowedDecisions.includes(decision) && choose(decision),
    chosen: () => chosen,
    read,
  };
}
