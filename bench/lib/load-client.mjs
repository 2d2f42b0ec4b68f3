import { connect } from 'node:net';
import { micros } from './clock.mjs';

/**
 * The readers, in a process of their own so that their CPU is not the server's. Raw sockets; every frame's `seq` is
 * looked at: a gap (other than in the coalesced beginning of a replay) or a repeat is counted and fails the run. With
 * `stamped`, the age of each token is noted as it arrives; with `until`, a reader is done at that event.
 */
let connections = [];
let pending = 0;
/** Ages of tokens, in microseconds, and the bytes of the events that carried them. */
let ages = [];
let payload = 0;

class Reader {
  #socket;
  #text = '';
  #last;
  #head = false;
  firstDelta = 0;
  doneAt = 0;
  events = 0;
  faults = 0;
  bytes = 0;

  constructor(place, started) {
    const { port, path, headers = {}, after = 0, coalesced = false, stamped, until } = place;
    this.#last = after;
    this.stamped = stamped;
    this.until = until;
    this.coalesced = coalesced;
    this.started = performance.now();
    this.onOpen = started;
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${lines.join('')}\r\n`);
    this.#socket.on('data', (bytes) => this.#data(bytes));
    this.#socket.on('error', () => {
      this.faults += 1;
    });
    this.#socket.on('close', () => this.#finish());
  }

  close() {
    this.onDone = undefined;
    this.#socket.destroy();
  }

  #data(bytes) {
    this.bytes += bytes.length;
    if (!this.#head) {
      this.#head = true;
      if (bytes.latin1Slice(9, 12) !== '200') this.faults += 1;
      this.onOpen();
    }
    const text = this.#text + bytes.latin1Slice();
    let at = 0;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n', at)) {
      this.#frame(text, at, end);
      at = end + 2;
    }
    this.#text = at === 0 ? text : text.slice(at);
  }

  #frame(text, from, end) {
    const key = text.indexOf('"seq":', from);
    if (key < 0 || key > end) return;
    const seq = Number.parseInt(text.slice(key + 6, key + 16), 10);
    const type = text.slice(text.indexOf('event:', from) + 6, key).trimStart();
    this.firstId ??= /id: ?(\S+)/.exec(text.slice(from, end))?.[1];
    if (seq !== this.#last + 1 && !(this.coalesced && seq > this.#last)) this.faults += 1;
    this.events += seq - this.#last;
    this.#last = seq;
    if (type.startsWith('text_delta')) this.#token(text, from, end);
    if (!type.startsWith('done') && !(seq >= this.until)) return;
    this.doneAt = performance.now();
    this.#socket.end();
    this.#finish();
  }

  #token(text, from, end) {
    if (this.firstDelta === 0) this.firstDelta = performance.now();
    if (!this.stamped) return;
    const now = micros();
    payload += end - text.indexOf('data:', from) - 6;
    // An engine that is behind gives several tokens as one event.
    for (let at = text.indexOf('@', from); at > 0 && at < end; at = text.indexOf('@', at + 1)) {
      ages.push(now - Number.parseInt(text.slice(at + 1, at + 18), 10));
    }
  }

  #finish() {
    if (this.doneAt === 0) this.faults += 1;
    this.onDone?.();
    this.onDone = undefined;
  }
}

/** From the POST to the first delta, as a client has it: two requests one after the other. */
async function timeToFirst({ port, post, body, path }) {
  const before = performance.now();
  const response = await fetch(`http://127.0.0.1:${port}${post}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const { streamId } = await response.json();
  const reader = new Reader(
    { port, path: path ?? `/api/chat/stream/${streamId}`, coalesced: true },
    () => {},
  );
  await new Promise((resolve) => {
    reader.onDone = resolve;
  });
  return reader.firstDelta - before;
}

function quantiles() {
  if (ages.length === 0) return {};
  const sorted = Float64Array.from(ages).toSorted();
  const at = (share) =>
    sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)] / 1e3;
  return { tokens: ages.length, payload, p50Ms: at(0.5), p99Ms: at(0.99) };
}

function report() {
  const took = connections.map(({ doneAt, started }) => doneAt - started);
  process.send({
    ev: 'finished',
    events: connections.reduce((sum, { events }) => sum + events, 0),
    bytes: connections.reduce((sum, { bytes }) => sum + bytes, 0),
    faults: connections.reduce((sum, { faults }) => sum + faults, 0),
    tookMs: Math.max(...took),
    ...quantiles(),
    firstId: connections[0].firstId,
  });
}

process.on('message', ({ cmd, readers, turn }) => {
  if (cmd === 'close') {
    for (const reader of connections) reader.close();
    connections = [];
    pending = 0;
    ages = [];
    payload = 0;
    process.send({ ev: 'closed' });
    return;
  }
  if (cmd === 'count') {
    process.send({ ev: 'count', tokens: ages.length });
    return;
  }
  if (cmd === 'first') {
    void timeToFirst(turn).then((ms) => process.send({ ev: 'first', ms }));
    return;
  }
  let opening = readers.length;
  pending += readers.length;
  const started = () => {
    opening -= 1;
    if (opening === 0) process.send({ ev: 'opened' });
  };
  for (const each of readers) {
    const reader = new Reader(each, started);
    reader.onDone = () => {
      pending -= 1;
      if (pending === 0) report();
    };
    connections.push(reader);
  }
});
process.on('disconnect', () => process.exit());
process.send({ ev: 'ready' });
