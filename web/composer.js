import { setText } from './dom.js';

/** The message box: Enter sends, Shift+Enter begins a line. A draft stays until the server has taken it. */

const MAX_HEIGHT_PX = 200;

/** @param {string | null} id */
const draftKey = (id) => `holdfast:draft:${id ?? 'new'}`;

/**
 * @param {{ form: HTMLFormElement, input: HTMLTextAreaElement, send: HTMLButtonElement, stop: HTMLButtonElement,
 *   notice: HTMLElement }} elements
 * @param {{ onSend: (text: string) => void, onStop: () => void }} events
 */
export function createComposer({ form, input, send, stop, notice }, { onSend, onStop }) {
  let key = draftKey(null);

  const fit = () => {
    input.style.height = 'auto';
    input.style.height = `${Math.min(input.scrollHeight, MAX_HEIGHT_PX)}px`;
  };
  input.addEventListener('input', () => {
    sessionStorage.setItem(key, input.value);
    fit();
  });
  input.addEventListener('keydown', (event) => {
    // An input method's Enter chooses a word.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = input.value;
    if (text.trim() !== '' && !send.disabled) onSend(text);
  });
  stop.addEventListener('click', onStop);

  /** @param {string} text */
  const fill = (text) => {
    input.value = text;
    sessionStorage.setItem(key, text);
    fit();
  };

  return {
    fill,
    text: () => input.value,
    focus: () => input.focus(),
    isIdle: () =>
      input.value === '' &&
      (document.activeElement === input || document.activeElement === document.body),
    /** @param {boolean} busy the message is on its way */
    sending(busy) {
      send.disabled = busy;
    },
    /** @param {boolean} live an answer is under way */
    live(live) {
      stop.hidden = !live;
      stop.disabled = false;
    },
    /** @param {string | null} id of the conversation */
    switchTo(id) {
      key = draftKey(id);
      fill(sessionStorage.getItem(key) ?? '');
    },
    /** @param {string} text @param {{ tone?: 'bad' | undefined, actions?: HTMLElement[] }} [more] '' takes it away */
    notice(text, { tone, actions = [] } = {}) {
      notice.hidden = text === '';
      notice.className = `notice ${tone ?? ''}`;
      setText(notice, text);
      notice.append(...actions);
    },
  };
}
