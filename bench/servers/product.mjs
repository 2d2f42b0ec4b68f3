import { word } from '../lib/clock.mjs';
import { Pace } from '../lib/pace.mjs';
import { loadConfig } from '../../dist/config/config.js';
import { createContext } from '../../dist/context.js';
import { createHttpServer } from '../../dist/http/server.js';

/**
 * The whole product, but for the engine: a scripted runner says the same words at the same pace as the peers do. The
 * text of a turn names its stream, which waits for `emit`; `now` says three words at once.
 */
const pace = new Pace();
/** Streams that wait for `emit`. */
const waiting = new Map();
/** Streams that somebody waits for until they wait. */
const awaited = new Set();

function order(name) {
  if (name === 'now') return Promise.resolve({ events: 3, intervalMs: 5 });
  return new Promise((resolve) => {
    waiting.set(name, resolve);
    if (awaited.delete(name) && awaited.size === 0) process.send({ ev: 'waiting' });
  });
}

process.on('message', ({ cmd, streams }) => {
  if (cmd === 'gc') {
    globalThis.gc();
    process.send({ ev: 'gc' });
    return;
  }
  if (cmd === 'await') {
    for (const { name } of streams) if (!waiting.has(name)) awaited.add(name);
    if (awaited.size === 0) process.send({ ev: 'waiting' });
    return;
  }
  for (const { name, ...how } of streams) waiting.get(name)(how);
});
process.on('disconnect', () => process.exit());

const delta = (text) => ({ type: 'event', body: { type: 'text_delta', part: 0, text } });

/** An event that is durable before the next one: `custom` is the smallest. */
const single = (n) => ({ type: 'event', body: { type: 'custom', data: n } });

/** As fast as it goes, with a turn of the loop now and then as between two reads of a network; `open` has no end. */
async function* flatOut({ events, singly, open }) {
  for (let n = 1; n <= events; n += 1) {
    if (n % 32 === 0) await new Promise((resolve) => setImmediate(resolve));
    yield singly ? single(n) : delta(word(n));
  }
  if (open) await new Promise(() => {});
}

/** Words as they fall due: one promise per word, so that what is measured is the product and not its source. */
class Paced {
  #due = [];
  #left;
  #wake;

  constructor({ events, intervalMs, stamped }) {
    this.#left = events;
    let made = 0;
    pace.add(intervalMs, () => {
      made += 1;
      this.#add({ value: delta(word(made, stamped)), done: false });
      return made < events;
    });
  }

  #add(result) {
    if (!this.#wake) {
      this.#due.push(result);
      return;
    }
    this.#wake(result);
    this.#wake = undefined;
  }

  next() {
    if (this.#left === 0) return Promise.resolve({ value: undefined, done: true });
    this.#left -= 1;
    if (this.#due.length > 0) return Promise.resolve(this.#due.shift());
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  return() {
    return Promise.resolve({ value: undefined, done: true });
  }
}

/** The run of a turn: what its order says, which may come later. */
class Run {
  #order;
  #source;

  constructor(ordered) {
    this.#order = ordered;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  next() {
    return this.#source ? this.#source.next() : this.#first();
  }

  async #first() {
    const how = await this.#order;
    this.#source = how.intervalMs > 0 ? new Paced(how) : flatOut(how);
    return this.next();
  }

  return() {
    return this.#source?.return() ?? Promise.resolve({ value: undefined, done: true });
  }
}

const runner = {
  adopt: async () => ({ resumable: false, calls: [], results: [] }),
  run: ({ history }) => new Run(order(history.at(-1).content[0].text)),
  prune: async () => {},
};

const config = loadConfig(process.env);
const context = await createContext(config, { runner });
createHttpServer(context.app).listen(config.server.port, config.server.host);
context.core.start();
