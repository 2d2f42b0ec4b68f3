import { h, setText } from './dom.js';
/** @import { Question } from './types.d.ts' */

/** A question for the person: options, several of them, or words of their own. */

let made = 0;

/** @param {Question} question */
export function createQuestionView({ id, question, header, options = [], multiSelect, freeText }) {
  const key = `ask-${(made += 1)}`;
  const type = multiSelect ? 'checkbox' : 'radio';
  const choices = options.map(({ label, value, description }) => {
    const input = h('input', { type, name: key, value: value ?? label });
    const words = h(
      'span',
      {},
      h('b', {}, label),
      description ? h('small', {}, description) : null,
    );
    return { input, element: h('label', { class: 'option' }, input, words) };
  });
  const free = freeText !== false;
  const own = h('input', {
    id: `${key}-own`,
    autocomplete: 'off',
    maxlength: '10000',
    placeholder: options.length > 0 ? 'Something else…' : '',
  });
  // Words of one's own stand instead of a single choice.
  own.addEventListener('input', () => {
    if (multiSelect || own.value === '') return;
    for (const { input } of choices) input.checked = false;
  });
  for (const { input } of choices) {
    input.addEventListener('change', () => {
      if (!multiSelect) own.value = '';
    });
  }
  const problem = h('p', { class: 'problem', role: 'alert' });
  const element = h(
    'fieldset',
    { class: 'question' },
    h('legend', {}, header ? h('span', { class: 'chip' }, header) : null, h('span', {}, question)),
    ...choices.map((choice) => choice.element),
    free
      ? h(
          'div',
          { class: 'field' },
          h(
            'label',
            { for: `${key}-own` },
            options.length > 0 ? 'In your own words' : 'Your answer',
          ),
          own,
        )
      : null,
    problem,
  );

  /** @returns {string | string[] | undefined} undefined: the problem is shown */
  const read = () => {
    const picked = choices.filter(({ input }) => input.checked).map(({ input }) => input.value);
    const words = free ? own.value.trim() : '';
    const all = words === '' ? picked : [...picked, words];
    setText(problem, all.length === 0 ? 'This needs an answer.' : '');
    if (all.length === 0) (choices[0]?.input ?? own).focus();
    if (all.length === 0) return undefined;
    return multiSelect ? all : all[0];
  };
  return { id, element, read };
}
