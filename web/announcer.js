/**
 * Reads a growing answer to screen readers: whole sentences, and not faster than one can listen. Pure, but for the
 * element it writes to.
 */

const PACE_MS = 1_500;

/**
 * The whole sentences of `text` after `from`, and where they end. At the end of the answer the rest counts as one.
 * @param {string} text @param {number} from @param {boolean} [final]
 */
export function nextSentences(text, from, final = false) {
  const rest = text.slice(from);
  if (final) return { said: rest.trim(), next: text.length };
  const ends = [...rest.matchAll(/[.!?…:](?=\s)|\n/g)].at(-1);
  if (!ends) return { said: '', next: from };
  const end = ends.index + 1;
  return { said: rest.slice(0, end).trim(), next: from + end };
}

/**
 * @param {{ polite: { textContent: string | null }, assertive: { textContent: string | null }, now?: () => number }} deps
 */
export function createAnnouncer({ polite, assertive, now = Date.now }) {
  let key = '';
  let from = 0;
  let last = -Infinity;

  /** @param {string} id of the answer @param {string} text all of it so far @param {{ final?: boolean }} [more] */
  const answer = (id, text, { final = false } = {}) => {
    if (id !== key) {
      key = id;
      from = 0;
    }
    // What was recovered may be shorter than what was said.
    from = Math.min(from, text.length);
    if (!final && now() - last < PACE_MS) return;
    const { said, next } = nextSentences(text, from, final);
    from = next;
    if (said === '') return;
    last = now();
    polite.textContent = said;
  };

  return {
    answer,
    /** What is shown already is not read aloud. @param {string} id @param {string} text */
    skip: (id, text) => {
      key = id;
      from = text.length;
    },
    /** @param {string} text */
    say: (text) => {
      polite.textContent = text;
    },
    /** @param {string} text */
    urge: (text) => {
      assertive.textContent = text;
    },
  };
}
