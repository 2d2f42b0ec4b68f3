import { h } from './dom.js';

/**
 * A modal question. Resolves with what was typed ('' where nothing can be), or null where it was dismissed.
 * @param {{ title: string, text?: string, label?: string, value?: string, secret?: boolean, confirm: string, danger?: boolean }} of
 * @returns {Promise<string | null>}
 */
export function ask({
  title,
  text = '',
  label,
  value = '',
  secret = false,
  confirm,
  danger = false,
}) {
  const input = h('input', {
    id: 'dialog-input',
    value,
    type: secret ? 'password' : 'text',
    maxlength: secret ? null : '200',
    autocomplete: 'off',
  });
  const cancel = h('button', { type: 'button', class: 'quiet' }, 'Cancel');
  const yes = h(
    'button',
    { type: 'submit', class: danger ? 'primary danger' : 'primary' },
    confirm,
  );
  const form = h(
    'form',
    {},
    h('h2', { id: 'dialog-title' }, title),
    text === '' ? null : h('p', {}, text),
    label === undefined ? null : h('label', { for: 'dialog-input' }, label),
    label === undefined ? null : input,
    h('footer', {}, cancel, yes),
  );
  const dialog = h('dialog', { 'aria-labelledby': 'dialog-title' }, form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    let answer = /** @type {string | null} */ (null);
    cancel.addEventListener('click', () => dialog.close());
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      answer = input.value;
      dialog.close();
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(answer);
    });
    dialog.showModal();
    if (label !== undefined) input.select();
  });
}
