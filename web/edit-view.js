import { h, setText } from './dom.js';
import { fieldsOf, readArgs, readFields } from './fields.js';
/** @import { ApprovalRequest, Obj } from './types.d.ts' */
/** @import { Field } from './fields.js' */

/** Arguments to be edited: as fields, or as JSON. Either form takes over what the other held. */

/** @param {Field} field @param {Record<string, string>} props */
function selectOf({ kind, choices, required, raw }, props) {
  const values = kind === 'boolean' ? ['true', 'false'] : choices;
  const none = required && raw !== '' ? [] : [''];
  const options = [...none, ...values].map((value) =>
    h('option', { value, selected: value === raw }, value),
  );
  return h('select', props, ...options);
}

/** @param {Field} field @param {Record<string, string>} props */
function textOf({ kind, raw }, props) {
  const numeric = kind === 'number' || kind === 'integer';
  const long = kind === 'json' || raw.length > 60 || raw.includes('\n');
  if (!long) {
    return h('input', {
      ...props,
      value: raw,
      autocomplete: 'off',
      inputmode: numeric ? 'decimal' : null,
    });
  }
  const area = h('textarea', { ...props, rows: '4', spellcheck: 'false' });
  area.value = raw;
  return area;
}

/** @param {Field} field @param {string} id */
function inputOf(field, id) {
  const props = { id, name: field.name, 'aria-required': String(field.required) };
  const closed = field.kind === 'boolean' || field.kind === 'choice';
  return closed ? selectOf(field, props) : textOf(field, props);
}

let made = 0;

/** @param {Pick<ApprovalRequest, 'name' | 'args' | 'argsSchema'>} request */
export function createEditView({ name, args, argsSchema }) {
  const prefix = `edit-${(made += 1)}`;
  const form = h('div', { class: 'fields' });
  const json = h('textarea', {
    class: 'json',
    rows: '7',
    spellcheck: 'false',
    'aria-label': `Arguments of ${name} as JSON`,
  });
  const problem = h('p', { class: 'problem', role: 'alert' });
  const toggle = h('button', { type: 'button', class: 'link' }, 'Edit as JSON');
  const element = h('div', { class: 'edit' }, form, json, problem, toggle);
  /** @type {Field[]} */
  let fields = [];
  /** @type {(HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement)[]} */
  let inputs = [];
  json.hidden = true;

  /** @param {Obj} values */
  const draw = (values) => {
    fields = fieldsOf(argsSchema, values);
    inputs = fields.map((field, index) => inputOf(field, `${prefix}-${index}`));
    const rows = fields.map((field, index) =>
      h(
        'div',
        { class: 'field' },
        h('label', { for: `${prefix}-${index}` }, field.name, field.required ? '' : ' (optional)'),
        inputs[index],
        field.description === '' ? null : h('small', {}, field.description),
      ),
    );
    form.replaceChildren(...rows);
    if (fields.length === 0) form.append('It takes no arguments.');
  };

  /** The arguments as they are now, or undefined with the problem shown. @returns {Obj | undefined} */
  const read = () => {
    const now = fields.map((field, index) => ({ ...field, raw: inputs[index]?.value ?? '' }));
    const result = json.hidden ? readFields(now) : readArgs(json.value);
    setText(problem, result.ok ? '' : result.message);
    if (result.ok) return result.args;
    (json.hidden
      ? inputs[fields.findIndex((f) => 'field' in result && f.name === result.field)]
      : json
    )?.focus();
    return undefined;
  };

  toggle.addEventListener('click', () => {
    const values = read();
    if (values === undefined) return;
    if (json.hidden) json.value = JSON.stringify(values, null, 2);
    else draw(values);
    json.hidden = !json.hidden;
    form.hidden = !json.hidden;
    setText(toggle, json.hidden ? 'Edit as JSON' : 'Edit as fields');
    (json.hidden ? inputs[0] : json)?.focus();
  });

  draw(args);
  return { element, read, focus: () => (json.hidden ? inputs[0] : json)?.focus() };
}
