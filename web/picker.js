import { h, setText } from './dom.js';
/** @import { Message } from './types.d.ts' */

/** Which of several messages in one place is shown: ‹ 2/3 ›. @param {(messageId: string) => void} onPick */
export function createPicker(onPick) {
  /** @type {string[]} */
  let siblings = [];
  let at = -1;
  const step = (
    /** @type {number} */ by,
    /** @type {string} */ sign,
    /** @type {string} */ label,
  ) => {
    const pick = () => {
      const next = siblings[at + by];
      if (next !== undefined) onPick(next);
    };
    const props = { type: 'button', class: 'quiet', 'aria-label': label, onclick: pick };
    return h('button', props, sign);
  };
  const back = step(-1, '‹', 'Earlier');
  const on = step(1, '›', 'Later');
  const count = h('span', {});
  const element = h('span', { class: 'state', hidden: true }, back, count, on);
  return {
    element,
    /** @param {Message} message @param {boolean} live */
    update(message, live) {
      siblings = message.siblings ?? siblings;
      at = siblings.indexOf(message.messageId);
      element.hidden = live || siblings.length < 2;
      setText(count, `${at + 1}/${siblings.length}`);
      back.disabled = at <= 0;
      on.disabled = at === siblings.length - 1;
    },
  };
}
