import { cpuSeconds, rssBytes } from './proc.mjs';

/** Each workload measures one thing of one server and returns its figures. `client` is the process of the readers. */

const names = (prefix, count) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

const readersOf = (target, streams, each) =>
  streams.flatMap(({ path }) =>
    Array.from({ length: each }, () => ({ port: target.port, path, coalesced: true })),
  );

const engine = (target) => target.constructor.name === 'EngineProduct';

async function finished(client, wanted) {
  const result = await client.next('finished');
  await client.ask({ cmd: 'close' }, 'closed');
  if (result.faults > 0) throw new Error(`${result.faults} faults: ${JSON.stringify(result)}`);
  if (result.events < wanted) throw new Error(`${result.events} events of ${wanted}`);
  return result;
}

/** Streams at a steady rate: CPU seconds of the server per million delivered events. */
async function flow({ target, client }, { label, streams, readers, events, intervalMs }) {
  const opened = await target.open(names(label, streams));
  const late = engine(target);
  const open = async () =>
    client.ask({ cmd: 'open', readers: readersOf(target, opened, readers) }, 'opened');
  if (!late) await open();
  const cpu = cpuSeconds(target.pid);
  await target.emit(opened, { events, intervalMs });
  if (late) await open();
  const result = await finished(client, streams * readers * events);
  const used = cpuSeconds(target.pid) - cpu;
  return {
    cpuSecondsPerMillionEvents: (used / result.events) * 1e6,
    deliveredEvents: result.events,
    bytesPerEvent: result.bytes / result.events,
  };
}

export const WORKLOADS = {
  /** One answer, 1,000 readers: 10,000 events a second. First they are idle: what does one cost? This
   * comes before all other load, whose garbage would make room for them. */
  async 'fan-out 1x1000'(it) {
    const { target, client } = it;
    if (engine(target)) {
      return flow(it, { label: 'one', streams: 1, readers: 1000, events: 50, intervalMs: 100 });
    }
    const [stream] = await target.open(['one']);
    await client.ask({ cmd: 'open', readers: readersOf(target, [stream], 20) }, 'opened');
    await target.gc();
    const before = rssBytes(target.pid);
    await client.ask({ cmd: 'open', readers: readersOf(target, [stream], 980) }, 'opened');
    await target.gc();
    const idle = (rssBytes(target.pid) - before) / 980;
    const cpu = cpuSeconds(target.pid);
    await target.emit([stream], { events: 50, intervalMs: 100 });
    const result = await finished(client, 50_000);
    const used = cpuSeconds(target.pid) - cpu;
    return {
      cpuSecondsPerMillionEvents: (used / result.events) * 1e6,
      deliveredEvents: result.events,
      idleBytesPerReader: idle,
    };
  },

  /** 100 answers at 10 tokens a second, 10 readers each: 10,000 events a second. */
  'fan-out 100x10': (it) =>
    flow(it, { label: 'many', streams: 100, readers: 10, events: 50, intervalMs: 100 }),

  /** As fast as it goes, nobody reads: what an event costs to be made and kept. */
  async append({ target }) {
    if (!target.keepsLog) return undefined;
    const [streams, events] = [10, 3000];
    const opened = await target.open(names('append', streams));
    const cpu = cpuSeconds(target.pid);
    const before = performance.now();
    await target.emit(opened, { events, intervalMs: 0 });
    await target.settled();
    const took = (performance.now() - before) / 1000;
    const used = cpuSeconds(target.pid) - cpu;
    const total = streams * events;
    return { cpuSecondsPerMillionEvents: (used / total) * 1e6, eventsPerSecond: total / took };
  },

  /** A finished log of 10,000 events to one joiner after the other: all of it, and exactly what is behind a cursor. */
  async 'replay 10000'({ target, client }) {
    const opened = await target.open(['long']);
    await target.emit(opened, { events: 10_000, intervalMs: 0 });
    const [{ path }] = opened;
    const { port } = target;
    const join = async (reader) => {
      await client.ask({ cmd: 'open', readers: [{ port, path, ...reader }] }, 'opened');
      return finished(client, 9000);
    };
    // The first reader also waits for the end of the log.
    await join({ coalesced: true });
    const first = await firstId(port, path);
    const cursor = { headers: { 'Last-Event-ID': first.id }, after: first.seq };
    const whole = await repeated(target, () => join({ coalesced: true }));
    const exact = target.keepsLog ? await repeated(target, () => join(cursor)) : whole;
    return {
      cpuSecondsPerMillionEvents: exact.cpu,
      ms: exact.ms,
      fromStartCpuSecondsPerMillionEvents: whole.cpu,
      fromStartMs: whole.ms,
      fromStartBytes: whole.bytes,
    };
  },

  /** From the POST to the first token at the client. */
  async 'first event'({ target, client }) {
    const times = [];
    for (let i = 0; i < 60; i += 1) {
      const turn = target.turn(`first-${i}`);
      const { ms } = await client.ask({ cmd: 'first', turn }, 'first');
      if (i >= 10) times.push(ms);
    }
    return { medianMs: median(times) };
  },
};

async function repeated(target, join) {
  const results = [];
  const cpu = cpuSeconds(target.pid);
  for (let i = 0; i < 10; i += 1) results.push(await join());
  const used = cpuSeconds(target.pid) - cpu;
  const events = results.reduce((sum, each) => sum + each.events, 0);
  return {
    cpu: (used / events) * 1e6,
    ms: median(results.map(({ tookMs }) => tookMs)),
    bytes: results[0].bytes,
  };
}

async function firstId(port, path) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  const text = await response.text();
  const [, id] = /^id: ?(.+)$/m.exec(text);
  return { id, seq: 1 };
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
