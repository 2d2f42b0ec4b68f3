import { churn } from './churn.mjs';
import { TARGETS } from './cluster-targets.mjs';
import { commandsBetween } from './redis.mjs';
import { median } from './workloads.mjs';

/** What is measured of servers over one Redis. Figures of CPU are microseconds per event. */

const names = (prefix, count) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

/** Generations renew their leases that often (a quarter of LEASE_TTL): a window has each of them once. */
const HEARTBEAT_MS = 5_000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function finished(client, wanted) {
  const result = await client.next('finished');
  await client.ask({ cmd: 'close' }, 'closed');
  if (result.faults > 0) throw new Error(`${result.faults} faults: ${JSON.stringify(result)}`);
  if (result.events < wanted) throw new Error(`${result.events} events of ${wanted}`);
  return result;
}

/** `made`: events of all streams; `delivered`: the same, once per reader. */
function costs({ before, after, made, delivered, target }) {
  const per = (key) => ((after[key] - before[key]) / delivered) * 1e6;
  const cpu = { owner: per('owner'), other: per('other'), redis: per('redis') };
  const figures = { cpu: cpu.owner + cpu.other + cpu.redis, ...prefixed('cpu', cpu) };
  if (target.mongoPid) figures.cpuMongoApart = per('mongo');
  if (!target.redis) return figures;
  const commands = commandsBetween(before.info, after.info, target.scripts);
  const seconds = after.redis - before.redis;
  const node = after.owner - before.owner;
  return {
    ...figures,
    redisCommandsPerToken: commands / made,
    redisBytesInPerToken: (after.info.bytesIn - before.info.bytesIn) / made,
    redisBytesOutPerToken: (after.info.bytesOut - before.info.bytesOut) / made,
    eventsPerRedisCpuSecond: made / seconds,
    eventsPerNodeCpuSecond: made / node,
    appendsPerRedisCpuSecond: commands / seconds,
    appendsPerNodeCpuSecond: commands / node,
  };
}

const prefixed = (prefix, values) =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      prefix + key[0].toUpperCase() + key.slice(1),
      value,
    ]),
  );

/** Tokens at a steady rate, each with the time at which it was made. */
async function flow({ target, client }, how) {
  const { label, where, streams, readers, events, intervalMs } = how;
  target.owner.says = `say ${events} ${intervalMs}`;
  const opened = await target.open(names(`${label}-${where}`, streams));
  const port = target.port(where);
  const wanted = opened.flatMap(({ path }) =>
    Array.from({ length: readers }, () => ({ port, path, coalesced: true, stamped: true })),
  );
  await client.ask({ cmd: 'open', readers: wanted }, 'opened');
  const look = async () => ({
    ...(await client.ask({ cmd: 'count' }, 'count')),
    ...(await target.figures()),
  });
  await target.emit(opened, { events, intervalMs, stamped: true });
  // While all of them flow: what starting and ending a generation costs is not the cost of a token.
  const wholeMs = events * intervalMs;
  await pause(wholeMs / 8);
  const before = await look();
  await pause(Math.min(HEARTBEAT_MS, wholeMs / 2));
  const after = await look();
  const result = await finished(client, 0);
  const { tokens, payload, p50Ms, p99Ms } = result;
  if (tokens !== streams * readers * events) throw new Error(`${tokens} tokens`);
  const delivered = after.tokens - before.tokens;
  return {
    ...costs({ before, after, made: delivered / readers, delivered, target }),
    p50Ms,
    p99Ms,
    frameBytesPerToken: result.bytes / tokens,
    payloadBytesPerToken: payload / tokens,
  };
}

/** Nobody reads; `singly`: each event is durable before the next one is made. */
async function append({ target }, { singly, streams, events }) {
  const opened = await target.open(names(singly ? 'singly' : 'append', streams));
  const before = await target.figures();
  const began = performance.now();
  await target.emit(opened, { events, intervalMs: 0, singly });
  await target.owner.settled();
  const seconds = (performance.now() - began) / 1e3;
  const after = await target.figures();
  const made = streams * events;
  return {
    ...costs({ before, after, made, delivered: made, target }),
    eventsPerSecond: made / seconds,
  };
}

const REPLAYED = 10_000;

/** Streams that are not over, of a little more than 10,000 events: joiners come one after the other, read each, and go. */
async function replay({ target, client }, { streams, again }) {
  const opened = await target.open(names('long', streams));
  await target.emit(opened, { events: REPLAYED + 100, intervalMs: 0, open: true });
  // Until the last of them is where it is to be.
  await pause(1_000);
  const join = async (where, { path }, place) => {
    const readers = [{ port: target.port(where), path, until: REPLAYED, ...place }];
    await client.ask({ cmd: 'open', readers }, 'opened');
    return finished(client, 0);
  };
  const cursors = [];
  for (const stream of opened) cursors.push(await cursorOf({ target, join }, stream));
  const all = { coalesced: true };
  const round = async (places) => {
    const joins = [];
    const before = await target.figures();
    for (const [index, stream] of opened.entries()) {
      joins.push(await join('other', stream, places[index]));
    }
    return { joins, ...spent(before, await target.figures(), joins.length * REPLAYED) };
  };
  const repeated = async (places) => {
    const rounds = [];
    for (let i = 0; i < again; i += 1) rounds.push(await round(places));
    return {
      ms: median(rounds.flatMap(({ joins }) => joins.map(({ tookMs }) => tookMs))),
      cpu: median(rounds.map(({ cpu }) => cpu)),
      bytes: rounds[0].joins[0].bytes,
    };
  };
  // The first one finds nothing in the memory of that replica.
  const first = await round(cursors);
  const next = await repeated(cursors);
  const fromStart = await repeated(opened.map(() => all));
  return {
    firstMs: median(first.joins.map(({ tookMs }) => tookMs)),
    firstCpu: first.cpu,
    ...prefixed('next', next),
    ...prefixed('fromStart', fromStart),
  };
}

/** Behind the first event, so that each one is sent as it is; peers have no cursors, and no coalesced beginnings. */
async function cursorOf({ target, join }, stream) {
  if (!target.hasCursors) return {};
  const { firstId } = await join('owner', stream, { coalesced: true });
  return { headers: { 'Last-Event-ID': firstId }, after: 1 };
}

function spent(before, after, events) {
  const used = ['owner', 'other', 'redis'].map((key) => after[key] - before[key]);
  return { cpu: (used.reduce((sum, each) => sum + each) / events) * 1e6 };
}

export const WARM_UP = 'warm-up';

export const scales = {
  full: { events: 350, fanOut: 350, single: 300, flat: 3_000, churn: 500, joined: 4 },
  small: { events: 100, fanOut: 50, single: 50, flat: 500, churn: 150, joined: 1 },
};

/** By name: which targets, and how. */
export function workloads({ events, fanOut, single, flat, churn: cut, joined }) {
  const steady = { label: 'steady', streams: 60, readers: 1, events, intervalMs: 20 };
  const many = { ...steady, label: 'many', streams: 300 };
  const wide = { label: 'wide', streams: 1, readers: 200, events: fanOut, intervalMs: 20 };
  const product = ['holdfast'];
  return {
    // Not measured: servers run for days, and code that runs for the first thousands of times is not optimised yet.
    [WARM_UP]: {
      targets: Object.keys(TARGETS),
      async run(it) {
        const warm = { ...steady, label: 'warm' };
        await flow(it, { ...warm, where: 'owner' });
        if (it.target.other) await flow(it, { ...warm, where: 'other' });
        return {};
      },
    },
    'local 60x1': {
      targets: ['node:http', 'express', 'holdfast', 'two EVALs'],
      run: (it) => flow(it, { ...steady, where: 'owner' }),
    },
    'remote 60x1': {
      targets: [
        'holdfast',
        'holdfast, stored first',
        'holdfast, no AOF',
        'holdfast, 20 ms window',
        'resumable-stream',
        'two EVALs',
      ],
      run: (it) => flow(it, { ...steady, where: 'other' }),
    },
    'local 300x1': {
      targets: ['node:http', 'express', 'holdfast', 'two EVALs'],
      run: (it) => flow(it, { ...many, where: 'owner' }),
    },
    'remote 300x1': {
      targets: ['holdfast', 'holdfast, stored first', 'resumable-stream', 'two EVALs'],
      run: (it) => flow(it, { ...many, where: 'other' }),
    },
    'engine local 20x1': {
      targets: ['holdfast engine'],
      run: (it) => flow(it, { ...steady, label: 'engine', streams: 20, where: 'owner' }),
    },
    'engine remote 20x1': {
      targets: ['holdfast engine'],
      run: (it) => flow(it, { ...steady, label: 'engine', streams: 20, where: 'other' }),
    },
    'remote 1x200': {
      targets: ['holdfast', 'holdfast, stored first', 'resumable-stream', 'two EVALs'],
      run: (it) => flow(it, { ...wide, where: 'other' }),
    },
    append: {
      targets: ['holdfast', 'holdfast, no AOF'],
      run: (it) => append(it, { singly: false, streams: 10, events: flat }),
    },
    'append singly': {
      targets: ['holdfast', 'holdfast, no AOF'],
      run: (it) => append(it, { singly: true, streams: 10, events: single }),
    },
    'replay 10000': {
      targets: ['holdfast', 'resumable-stream'],
      run: (it) => replay(it, { streams: joined, again: 5 }),
    },
    churn: {
      targets: product,
      run: (it) => churn(it, { streams: 10, readers: 4, events: cut, intervalMs: 20, meanMs: 500 }),
    },
  };
}
