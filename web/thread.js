import { h } from './dom.js';
import { createAnswerView, createUserView } from './message-view.js';
/** @import { Message } from './types.d.ts' */

/** The messages of the open conversation, each with one view, in the order in which they came. */

/** Nearer to the end than this, px: whoever reads follows what comes. */
const NEAR_PX = 80;

/**
 * @param {{ scroller: HTMLElement, list: HTMLElement, toEnd: HTMLElement,
 *   onAgain: (how: 'regenerate' | 'continue', message: Message) => void, onPick: (messageId: string) => void }} deps
 */
export function createThread({ scroller, list, toEnd, onAgain, onPick }) {
  /** @type {Map<string, ReturnType<typeof createAnswerView>>} */
  const answers = new Map();
  /** @type {Map<string, ReturnType<typeof createUserView>>} */
  const users = new Map();
  let following = true;

  const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_PX;
  scroller.addEventListener('scroll', () => {
    following = atEnd();
    toEnd.hidden = following;
  });
  const follow = () => {
    following = true;
    toEnd.hidden = true;
    scroller.scrollTop = scroller.scrollHeight;
  };
  toEnd.addEventListener('click', follow);
  new ResizeObserver(() => following && follow()).observe(scroller);

  /** @param {Message} message */
  const answer = (message) => {
    const known = answers.get(message.messageId);
    if (known) return known;
    const view = createAnswerView({ onAgain, onPick });
    answers.set(message.messageId, view);
    view.element.dataset['parent'] = message.parentMessageId ?? '';
    // A question that waits its turn is asked before the answer to the one before it is there.
    const question = users.get(message.parentMessageId ?? '');
    if (question) question.element.after(view.element);
    else list.append(view.element);
    return view;
  };

  /** @param {Message} message */
  const user = (message) => {
    const known = users.get(message.messageId);
    if (known) return known.update(message);
    const view = createUserView(message, onPick);
    users.set(message.messageId, view);
    const parent = message.messageId;
    const reply = [...answers.values()].find(({ element }) => element.dataset['parent'] === parent);
    if (reply) reply.element.before(view.element);
    else list.append(view.element);
    return undefined;
  };

  return {
    clear() {
      answers.clear();
      users.clear();
      list.replaceChildren();
      following = true;
      toEnd.hidden = true;
    },
    answer,
    user,
    /** Finished ones, as the history has them. @param {Message[]} messages */
    show(messages) {
      for (const message of messages) {
        if (message.role === 'user') user(message);
        else answer(message).update(message, { live: false });
      }
    },
    /** Takes away what is on other branches. @param {Set<string>} ids */
    keep(ids) {
      for (const views of [answers, users]) {
        for (const [id, { element }] of views) {
          if (ids.has(id)) continue;
          element.remove();
          views.delete(id);
        }
      }
    },
    stick: () => following && follow(),
    /** Shows the beginning of something that has to be read. @param {HTMLElement} element */
    reveal(element) {
      const tall = element.offsetHeight > scroller.clientHeight;
      if (tall) following = false;
      element.scrollIntoView({ block: tall ? 'start' : 'nearest' });
    },
    follow,
  };
}
