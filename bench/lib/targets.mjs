import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './proc.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** A server under measurement: where its streams are, and how they are made to flow. */
class Target {
  constructor(child, port) {
    this.child = child;
    this.port = port;
  }

  get pid() {
    return this.child.pid;
  }

  gc() {
    return this.child.ask({ cmd: 'gc' }, 'gc');
  }

  stop() {
    return this.child.stop();
  }
}

export class Peer extends Target {
  keepsLog = false;

  static async start(name, env = {}) {
    const child = new Child(here(`../servers/${name}.mjs`), { env });
    const { port } = await child.next('ready');
    return new Peer(child, port);
  }

  /** Makes streams that wait; `emit` lets them flow. */
  async open(names) {
    await this.child.ask({ cmd: 'prepare', names }, 'prepared');
    return names.map((name) => ({ name, path: `/${name}` }));
  }

  async emit(streams, how) {
    this.child.send({ cmd: 'emit', streams: streams.map(({ name }) => ({ name, ...how })) });
  }

  turn(name) {
    return { port: this.port, post: `/${name}`, body: {}, path: `/${name}` };
  }
}

/** Turns begun side by side. */
const AT_ONCE = 10;
/** What goes on behind the beginning of a turn, as its title, is over by then. */
const BEGUN_MS = 1_000;

/** The whole product. `runner`: a scripted runner in the place of the engine, so that the way of an event is compared. */
export class Product extends Target {
  keepsLog = true;

  static async start({ script, profile, more = {} }) {
    const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
    const env = {
      PORT: String(await freePort()),
      DATA_DIR: dataDir,
      PROFILE: profile,
      LOG_LEVEL: 'warn',
      MAX_CONCURRENT_RUNS: '10000',
      MAX_GENERATIONS_PER_USER: '10000',
      MAX_STREAMS_PER_USER: '10000',
      ...more,
    };
    const child = new Child(here(script), { env });
    const product = new this(child, Number(env.PORT));
    product.dataDir = dataDir;
    await product.ready();
    return product;
  }

  async ready() {
    for (let tries = 0; tries < 600; tries += 1) {
      const answer = await this.get('/readyz').catch(() => undefined);
      if (answer?.ok) return;
      await new Promise((again) => setTimeout(again, 50));
    }
    throw new Error('the product is not ready');
  }

  get(path) {
    return fetch(`http://127.0.0.1:${this.port}${path}`);
  }

  /** A turn by this name. On a busy machine a store may be late: the same turn is sent again, as a client does. */
  async post(name, text = name) {
    const body = JSON.stringify({ text, messageId: name.replaceAll(/\W/g, '-') });
    for (let tries = 0; ; tries += 1) {
      const response = await fetch(`http://127.0.0.1:${this.port}/api/chat`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      const answer = await response.json();
      if (response.status === 202) return `/api/chat/stream/${answer.streamId}`;
      if (response.status !== 503 || tries === 5) {
        throw new Error(`${response.status} ${JSON.stringify(answer)}`);
      }
      await new Promise((again) => setTimeout(again, 1_000));
    }
  }

  /** Until no generation is live. */
  async settled() {
    for (;;) {
      const { generations } = await (await this.get('/api/chat/active')).json();
      if (generations.length === 0) return;
      await new Promise((again) => setTimeout(again, 10));
    }
  }

  async stop() {
    await super.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

export class ScriptedProduct extends Product {
  async open(names) {
    const opened = [];
    // A few at a time: turns of one owner queue for its slots.
    for (let at = 0; at < names.length; at += AT_ONCE) {
      const some = names.slice(at, at + AT_ONCE);
      const posted = some.map(async (name) => ({ name, path: await this.post(name) }));
      opened.push(...(await Promise.all(posted)));
    }
    // All of them run: what a beginning costs is not the cost of a token.
    await this.child.ask({ cmd: 'await', streams: names.map((name) => ({ name })) }, 'waiting');
    await new Promise((begun) => setTimeout(begun, BEGUN_MS));
    return opened;
  }

  async emit(streams, how) {
    this.child.send({ cmd: 'emit', streams: streams.map(({ name }) => ({ name, ...how })) });
  }

  turn() {
    return { port: this.port, post: '/api/chat', body: { text: 'now' } };
  }
}

/** With the engine: the demo agent on LangGraph. It flows as soon as it is asked, so readers come a little later. */
class EngineProduct extends Product {
  async open(names) {
    return names.map((name) => ({ name, path: undefined }));
  }

  async emit(streams, { events, intervalMs }) {
    await Promise.all(
      streams.map(async (stream) => {
        stream.path = await this.post(stream.name, `say ${events} ${intervalMs} word`);
      }),
    );
  }

  turn() {
    return { port: this.port, post: '/api/chat', body: { text: 'say 3 5 word' } };
  }

  /** The built server has no such command. */
  async gc() {}
}

export function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

const scripted = '../servers/product.mjs';

/** By the name in the results. */
export const TARGETS = {
  'node:http': () => Peer.start('bare'),
  express: () => Peer.start('express'),
  'better-sse': () => Peer.start('better-sse'),
  'holdfast memory': () => ScriptedProduct.start({ script: scripted, profile: 'memory' }),
  'holdfast sqlite': () => ScriptedProduct.start({ script: scripted, profile: 'embedded' }),
  'holdfast engine': () =>
    EngineProduct.start({ script: '../../dist/main.js', profile: 'embedded' }),
};
