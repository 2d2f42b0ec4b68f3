import { h } from './dom.js';

/** What a newcomer can try, and what each of it shows. */

const PROMPTS = [
  ['say 100 80', 'A hundred words, slowly. Cut the line in the middle: nothing is lost.'],
  ['approve', 'A tool that waits for you. Approve, edit, reject, or answer in its place.'],
  ['approve 3', 'Three calls in one batch, and one decision for each.'],
  ['ask', 'The agent asks you a question and waits.'],
  ['think 40 40', 'Reasoning, folded away beside the answer.'],
  ['tool', 'A tool that needs nobody, with its arguments and output.'],
  ['sub', 'A sub-agent that streams, and asks before it acts.'],
  ['slow 5', 'A tool that takes five seconds. Stop it, or reload meanwhile.'],
  ['fail', 'A model that breaks. What it said is kept; try again.'],
];

/** @param {(text: string) => void} onPick */
export function createWelcome(onPick) {
  const cards = PROMPTS.map(([prompt = '', shows = '']) =>
    h(
      'li',
      {},
      h(
        'button',
        { type: 'button', class: 'prompt', onclick: () => onPick(prompt) },
        h('code', {}, prompt),
        h('span', {}, shows),
      ),
    ),
  );
  return h(
    'section',
    { class: 'welcome', 'aria-labelledby': 'welcome-title' },
    h('h2', { id: 'welcome-title' }, 'Answers that hold fast'),
    h(
      'p',
      {},
      'An answer here is not tied to this page. Cut the connection, reload, open a second tab, restart the server: it goes on, and you miss nothing of it.',
    ),
    h('h3', {}, 'The demo agent needs no key. Try it'),
    h('ul', { class: 'prompts' }, ...cards),
  );
}
