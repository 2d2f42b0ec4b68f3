import { delta, doneEvent } from './frames.mjs';
import { Pace } from './pace.mjs';

/**
 * What the peers have in common: streams by name, driven over IPC. A peer says how a reader is added to a stream, how
 * an event goes to the readers, and how a stream ends; `prepare` does what must be done before a reader comes. With `open`
 * an order leaves its stream unfinished.
 */
export function runPeer({ listen, createStream, prepare = async () => {} }) {
  const streams = new Map();
  const pace = new Pace();
  const stream = (name) => {
    const known = streams.get(name) ?? createStream(name);
    streams.set(name, known);
    return known;
  };

  const emit = ({ name, events, intervalMs, stamped, open = false }) => {
    const target = stream(name);
    let seq = 0;
    const next = () => {
      seq += 1;
      if (seq <= events) target.send('text_delta', delta(seq, stamped));
      else if (!open) target.end('done', doneEvent(seq));
      return seq <= events;
    };
    if (intervalMs > 0) pace.add(intervalMs, next);
    else while (next());
  };

  process.on('message', (message) => {
    if (message.cmd === 'prepare') {
      const ready = message.names.map((name) => prepare(stream(name)));
      void Promise.all(ready).then(() => process.send({ ev: 'prepared' }));
    }
    if (message.cmd === 'emit') for (const each of message.streams) emit(each);
    if (message.cmd === 'gc') {
      globalThis.gc();
      process.send({ ev: 'gc' });
    }
  });
  process.on('disconnect', () => process.exit());
  // A POST starts three events at once, as a chat does: for the time to the first event.
  const start = (name) => emit({ name, events: 3, intervalMs: 5 });
  const server = listen({ stream, start });
  server.listen(0, '127.0.0.1', () => process.send({ ev: 'ready', port: server.address().port }));
}
