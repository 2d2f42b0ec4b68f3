import { fileURLToPath } from 'node:url';
import { MongoClient } from 'mongodb';
import { Child, cpuSeconds, listener } from './proc.mjs';
import { RedisServer } from './redis.mjs';
import { Peer, Product, ScriptedProduct } from './targets.mjs';

/**
 * Servers over one Redis. Streams are made by `owner`; a reader asks `owner` too (local) or `other`, a process of its own
 * (remote). `inner` and `marker` say what their scripts call, see redis.mjs.
 */
class Pair {
  constructor(parts) {
    Object.assign(this, parts);
  }

  get hasCursors() {
    return this.owner.keepsLog;
  }

  port(where) {
    return this[where].port;
  }

  open(names) {
    return this.owner.open(names);
  }

  emit(streams, how) {
    return this.owner.emit(streams, how);
  }

  /** CPU seconds so far of each process; MongoDB is told apart, as far as it is one of this machine. */
  async figures() {
    const redis = await this.redis?.figures();
    return {
      owner: cpuSeconds(this.owner.pid),
      other: this.other ? cpuSeconds(this.other.pid) : 0,
      redis: redis?.cpu ?? 0,
      mongo: this.mongoPid ? cpuSeconds(this.mongoPid) : 0,
      info: redis,
    };
  }

  async stop() {
    for (const part of [this.model, this.other, this.owner, this.redis]) await part?.stop();
    await this.dropDatabase?.();
  }
}

async function peers(script, scripts) {
  const redis = await RedisServer.start({ aof: true });
  const env = { REDIS_URL: redis.url };
  const owner = await Peer.start(script, env);
  const other = await Peer.start(script, env);
  return new Pair({ redis, owner, other, scripts });
}

const alone = async (script) =>
  new Pair({ owner: await Peer.start(script), scripts: { inner: 0 } });

/** What `log-append` calls: GET, XADD, PEXPIRE, SET, PUBLISH. */
const SCRIPTS = { marker: 'xadd', inner: 5 };

let databases = 0;

function database() {
  const uri = new URL(process.env.MONGODB_URI ?? 'mongodb://127.0.0.1:27017/');
  databases += 1;
  uri.pathname = `/holdfast_bench_${process.pid}_${databases}`;
  const drop = async () => {
    const client = await MongoClient.connect(uri.href);
    await client.db().dropDatabase();
    await client.close();
  };
  const near = ['127.0.0.1', 'localhost', '[::1]'].includes(uri.hostname);
  return {
    uri: uri.href,
    drop,
    pid: near ? listener(Number(uri.port || 27017)) : undefined,
  };
}

async function replicas({ kind, script, aof = true, env = {} }) {
  const redis = await RedisServer.start({ aof });
  const mongo = database();
  const more = { REDIS_URL: redis.url, MONGODB_URI: mongo.uri, ...env };
  const profile = 'cluster';
  const owner = await kind.start({ script, profile, more });
  // It takes no work: what it does is to serve readers.
  const reader = { ...more, SCAN_INTERVAL: '4m', LEASE_TTL: '10m' };
  const other = await kind.start({ script, profile, more: reader });
  const rest = { scripts: SCRIPTS, mongoPid: mongo.pid, dropDatabase: mongo.drop };
  return new Pair({ redis, owner, other, ...rest });
}

const scripted = (options) =>
  replicas({ kind: ScriptedProduct, script: '../servers/product.mjs', ...options });

/** `dist/main.js`, which asks a model over HTTP; the model waits until the readers are there. */
class AskingProduct extends Product {
  async open(names) {
    return Promise.all(
      names.map(async (name) => ({ name, path: await this.post(name, this.says) })),
    );
  }

  async emit(streams) {
    for (const _ of streams) await this.model.next('asked');
    this.model.send({ cmd: 'go' });
  }
}

async function engine() {
  const model = new Child(fileURLToPath(new URL('../servers/model.mjs', import.meta.url)));
  const { port } = await model.next('ready');
  const env = {
    MODEL: 'openai:bench',
    OPENAI_API_KEY: 'none',
    OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`,
  };
  const pair = await replicas({ kind: AskingProduct, script: '../../dist/main.js', env });
  pair.owner.model = model;
  pair.model = model;
  return pair;
}

/** By the name in the results. */
export const TARGETS = {
  'node:http': () => alone('bare'),
  express: () => alone('express'),
  holdfast: () => scripted({}),
  'holdfast, no AOF': () => scripted({ aof: false }),
  'holdfast, stored first': () => scripted({ env: { EARLY_DELTAS: '0' } }),
  'holdfast, 20 ms window': () => scripted({ env: { FLUSH_WINDOW: '20ms' } }),
  'holdfast engine': engine,
  'resumable-stream': () => peers('resumable-stream', { inner: 0 }),
  // INCR, EXPIRE, PUBLISH and XADD, EXPIRE: two scripts per XADD.
  'two EVALs': () => peers('two-evals', { marker: 'xadd', inner: 5 }),
};
