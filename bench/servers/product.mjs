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
/** Streams that wait for `emit`, and orders that came before their stream. */
const waiting = new Map();
const orders = new Map();

function order(name) {
  if (name === 'now') return Promise.resolve({ events: 3, intervalMs: 5 });
  const early = orders.get(name);
  if (early) return Promise.resolve(early);
  return new Promise((resolve) => waiting.set(name, resolve));
}

process.on('message', ({ cmd, streams }) => {
  if (cmd === 'gc') {
    globalThis.gc();
    process.send({ ev: 'gc' });
    return;
  }
  for (const { name, ...how } of streams) {
    orders.set(name, how);
    waiting.get(name)?.(how);
  }
});
process.on('disconnect', () => process.exit());

const delta = (text) => ({ type: 'event', body: { type: 'text_delta', part: 0, text } });

/** An event that is durable before the next one: `custom` is the smallest. */
const single = (n) => ({ type: 'event', body: { type: 'custom', data: n } });

/** As fast as it goes, with a turn of the loop now and then as between two reads of a network. */
async function* flatOut({ events, singly }) {
  for (let n = 1; n <= events; n += 1) {
    if (n % 32 === 0) await new Promise((resolve) => setImmediate(resolve));
    yield singly ? single(n) : delta(word(n));
  }
}

/** Words that are due, and who waits for the next one. */
class Due {
  #words = [];
  #wake;

  add(word) {
    this.#words.push(word);
    this.#wake?.();
  }

  async next() {
    while (this.#words.length === 0) await new Promise((resolve) => this.#wait(resolve));
    return this.#words.shift();
  }

  #wait(resolve) {
    this.#wake = resolve;
  }
}

async function* paced({ events, intervalMs, stamped }) {
  const due = new Due();
  let made = 0;
  pace.add(intervalMs, () => {
    made += 1;
    due.add(word(made, stamped));
    return made < events;
  });
  for (let n = 1; n <= events; n += 1) yield delta(await due.next());
}

const runner = {
  adopt: async () => ({ resumable: false, calls: [], results: [] }),
  async *run({ history }) {
    const how = await order(history.at(-1).content[0].text);
    yield* how.intervalMs > 0 ? paced(how) : flatOut(how);
    // Unfinished until its process ends.
    if (how.open) await new Promise(() => {});
  },
  prune: async () => {},
};

const config = loadConfig(process.env);
const context = await createContext(config, { runner });
createHttpServer(context.app).listen(config.server.port, config.server.host);
context.core.start();
