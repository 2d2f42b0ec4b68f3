/**
 * Parser of text/event-stream after the WHATWG standard, as far as this server uses it: `id`, `event`, `data`, `retry`
 * and comments. Chunks may be cut anywhere; a frame that was not finished by an empty line never counts.
 * @typedef {{ id: string, event: string, data: string }} RawFrame
 * @typedef {{ onFrame: (frame: RawFrame) => void, onRetry?: (ms: number) => void }} ParserEvents
 */

/** @param {ParserEvents} events */
export function createSseParser({ onFrame, onRetry = () => {} }) {
  let rest = '';
  let sawCr = false;
  let id = '';
  let event = '';
  /** @type {string[]} */
  let data = [];

  const dispatch = () => {
    if (data.length > 0) onFrame({ id, event: event || 'message', data: data.join('\n') });
    event = '';
    data = [];
  };

  /** @param {string} line */
  const take = (line) => {
    if (line === '') return dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const raw = colon < 0 ? '' : line.slice(colon + 1);
    const value = raw.startsWith(' ') ? raw.slice(1) : raw;
    if (name === 'data') data.push(value);
    else if (name === 'event') event = value;
    else if (name === 'id' && !value.includes('\0')) id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) onRetry(Number(value));
  };

  /** @param {string} chunk decoded text */
  const push = (chunk) => {
    // A CR at the end of a chunk may be half of a CRLF.
    const text = rest + (sawCr && chunk.startsWith('\n') ? chunk.slice(1) : chunk);
    if (chunk !== '') sawCr = chunk.endsWith('\r');
    const lines = text.split(/\r\n|\r|\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  };
  return { push };
}
