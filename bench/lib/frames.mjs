import { word } from './clock.mjs';

/** Events as the peers send them: as many bytes each as the product's own, so that only the way they take differs. */

export function delta(seq, stamped = false) {
  return { seq, at: new Date().toISOString(), part: 0, text: word(seq, stamped) };
}

export function doneEvent(seq) {
  return { seq, at: new Date().toISOString(), status: 'completed' };
}

export function frame(type, event) {
  return `id: bench0.1.${event.seq}\nevent: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
}

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
};
