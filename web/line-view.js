import { setAttribute, setText } from './dom.js';
import { duration } from './time.js';
/** @import { LineState } from './types.d.ts' */

/** The strip that tells how the line to the server is, from which event it goes on, and who is at its other end. */

/** @type {{ [S in LineState['state']]: (line: LineState, now: number) => string }} */
const WORDS = {
  live: () => 'Live',
  connecting: ({ cursor }) => (cursor === '' ? 'Connecting…' : 'Connecting again…'),
  waiting: ({ until = 0 }, now) => `Line cut. Back in ${duration(until - now)}`,
  ended: () => 'All of it is here',
  refused: ({ status }) => `Refused (${status})`,
};

/**
 * @param {{ strip: HTMLElement, text: HTMLElement, facts: HTMLElement, cursor: HTMLElement, replica: HTMLElement,
 *   cut: HTMLButtonElement, hurry: HTMLButtonElement }} elements
 * @param {(text: string) => void} announce
 */
export function createLineView({ strip, text, facts, cursor, replica, cut, hurry }, announce) {
  /** @type {LineState | undefined} */
  let line;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let ticking;

  const draw = () => {
    setText(text, line ? WORDS[line.state](line, Date.now()) : 'Nothing is streaming');
    setText(cursor, line?.cursor ?? '');
    setText(replica, line?.replica ?? '');
    facts.hidden = !line?.cursor;
    setAttribute(strip, 'data-state', line?.state ?? 'idle');
    cut.disabled = line?.state !== 'live';
    hurry.hidden = line?.state !== 'waiting';
  };
  draw();
  return {
    /** @param {LineState | undefined} next */
    show(next) {
      const before = line?.state;
      line = next;
      clearInterval(ticking);
      if (next?.state === 'waiting') ticking = setInterval(draw, 250);
      if (next?.state === 'waiting' && before !== 'waiting')
        announce('The line was cut. It comes back by itself.');
      if (next?.state === 'live' && before === 'connecting' && next.cursor !== '')
        announce('Connected again.');
      draw();
    },
  };
}
