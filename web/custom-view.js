import { h, setText } from './dom.js';
import { createEditView } from './edit-view.js';
import { isObject, readJson } from './fields.js';
/** @import { Obj, PendingAction } from './types.d.ts' */

/** What a graph asks in its own form: its value to be read, and the response as fields, as a text, or as JSON. */

/** @param {unknown} value */
const shown = (value) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2));

/** @param {unknown} value */
function valueOf(value) {
  if (!isObject(value)) return h('p', { class: 'asked' }, shown(value));
  const rows = Object.entries(value)
    .filter(([key]) => key !== 'responseSchema')
    .flatMap(([key, each]) => [h('dt', {}, key), h('dd', {}, shown(each))]);
  return h('dl', { class: 'args', 'aria-label': 'What is asked' }, ...rows);
}

let made = 0;

/** @param {{ label: string, parse: (raw: string) => { ok: true, value: unknown } | { ok: false, message: string } }} of */
function createAreaView({ label, parse }) {
  const id = `custom-${(made += 1)}`;
  const area = h('textarea', { id, rows: '4', spellcheck: 'false' });
  const problem = h('p', { class: 'problem', role: 'alert' });
  const element = h('div', { class: 'field' }, h('label', { for: id }, label), area, problem);
  const read = () => {
    const result = parse(area.value);
    setText(problem, result.ok ? '' : result.message);
    if (result.ok) return { response: result.value };
    area.focus();
    return undefined;
  };
  return { element, read };
}

/** Objects with fields of their own are asked for one by one. @param {Obj | undefined} schema */
function createResponseView(schema) {
  if (isObject(schema?.['properties'])) {
    const form = createEditView({ name: 'the response', args: {}, argsSchema: schema });
    const read = () => {
      const response = form.read();
      return response === undefined ? undefined : { response };
    };
    return { element: form.element, read };
  }
  if (schema?.['type'] === 'string')
    return createAreaView({ label: 'Your response', parse: (value) => ({ ok: true, value }) });
  return createAreaView({
    label: 'Your response, as JSON',
    parse: (raw) => {
      const result = readJson(raw);
      return result.ok ? result : { ok: false, message: 'This is not JSON.' };
    },
  });
}

/** @param {PendingAction} action */
export function createCustomView({ value, responseSchema }) {
  const response = createResponseView(responseSchema);
  const element = h(
    'fieldset',
    { class: 'question custom' },
    h('legend', {}, 'The agent asks'),
    valueOf(value),
    response.element,
  );
  return { element, read: response.read };
}
