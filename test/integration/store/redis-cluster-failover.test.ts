import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { setMaxListeners } from 'node:events';
import { isUnavailable } from '../../../src/errors.ts';
import { createRedisJobStore, redisTime } from '../../../src/store/redis/index.ts';
import type { AppendRequest, AppendResult } from '../../../src/stream/event-transport.ts';
import { batch, NO_BOUND, seqs, upTo } from '../../contract/event-transport-kit.ts';
import { NO_LIMIT } from '../../contract/job-store-kit.ts';
import { aQueuedJob } from '../../support/jobs.ts';
import { FailoverCluster } from '../../support/redis-failover.ts';
import { Ear, replicaOn, type Replica } from '../../support/redis-kit.ts';
import { sampled } from '../../support/sampled.ts';
import { describeRedis, eventually } from '../../support/services.ts';

/** A primary of a Redis Cluster is replaced while logs in all slots are written and followed, and jobs are made.
 * FAULT_REPORT=1 prints how long it took. */

const LOGS = upTo(1, Number(process.env['FAILOVER_LOGS'] ?? 12)).map((n) => `gen_${n}`);
/** From the takeover until everything goes on. */
const RECOVERED_MS = 8_000;
const PACE_MS = 10;
const MOST_TRIES = 40;

let cluster: FailoverCluster;
let writer: Replica;
let reader: Replica;
let ear: Ear;
let pens: Pen[] = [];
let clerk: Clerk;
let quit = new AbortController();
let work: Promise<unknown> = Promise.resolve();

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PACE_MS));

/** As a caller does it: what had an unknown outcome is sent again, as it was. Undefined: it was told to leave. */
async function insist<T>(call: () => Promise<T>): Promise<T | undefined> {
  while (!quit.signal.aborted) {
    try {
      return await call();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      await pause();
    }
  }
  return undefined;
}

/** As a client does it: it asks again. */
async function patiently<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + RECOVERED_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isUnavailable(error) || Date.now() > deadline) throw error;
      await pause();
    }
  }
}

/** The driver of a log, and when the store said yes to it. */
class Pen {
  readonly id: string;
  head = 0;
  fence = 1;
  /** Acknowledged events that the log does not have any more. */
  lost = 0;
  /** How often it was told so. */
  told = 0;
  readonly yes: number[] = [];

  constructor(id: string) {
    this.id = id;
  }

  async write(): Promise<void> {
    while (!quit.signal.aborted) {
      const { id: generationId, fence, head } = this;
      const request: AppendRequest = batch(head, 2, { generationId, fence });
      const result = await insist(() => writer.log.append(request));
      if (result) await this.#take(result);
      await pause();
    }
  }

  async #take(result: AppendResult): Promise<void> {
    if (result.outcome === 'appended') {
      this.head = result.head;
      this.yes.push(Date.now());
    } else if (result.outcome === 'out_of_sequence') {
      this.told += 1;
      this.lost += this.head - result.head;
      // As the next driver does it: under a new fence, from what is there.
      this.fence += 1;
      this.head = result.head;
      await insist(() => writer.log.fence(this.id, this.fence));
    } else {
      throw new Error(`${this.id}: ${result.outcome}`);
    }
  }
}

/** Makes jobs. */
class Clerk {
  readonly made: string[] = [];
  readonly yes: number[] = [];
  readonly jobs = createRedisJobStore({ redis: writer.redis, now: redisTime(writer.redis) });

  async write(): Promise<void> {
    while (!quit.signal.aborted) {
      const job = aQueuedJob({ generationId: `gen_job_${process.pid}_${Date.now()}` });
      const result = await insist(() => this.jobs.insert(job, NO_LIMIT));
      // The first insert of a repeat got through.
      if (result && ['inserted', 'duplicate'].includes(result.outcome)) {
        this.made.push(job.generationId);
        this.yes.push(Date.now());
      }
      await pause();
    }
  }
}

/** The longest time without a yes that ended after `from`, of each log and of the jobs, ms. */
function gaps(from: number): number[] {
  const longest = ({ yes }: { yes: number[] }): number =>
    Math.max(...yes.map((at, index) => (at >= from ? at - (yes[index - 1] ?? at) : 0)));
  return [...pens, clerk].map(longest);
}

/** `over`: until the takeover; `took`: from there until all go on; ms. */
function report(name: string, seen: { over: number; took: number; gaps: number[] }): void {
  if (!process.env['FAULT_REPORT']) return;
  const lost = pens.map((pen) => pen.lost);
  process.stdout.write(`${name}: ${JSON.stringify({ ...seen, lost })}\n`);
}

/** Everybody gets a yes after this moment; how long it took the last of them, ms. */
async function allGoOn(moment: number): Promise<number> {
  const all = [clerk, ...pens];
  const first = ({ yes }: { yes: number[] }): number | undefined => yes.find((at) => at > moment);
  const goOn = eventually('all go on', () => all.every((it) => first(it)), RECOVERED_MS);
  // What ends a writer is told, and not only that it is silent.
  await Promise.race([goOn, work]);
  return Math.max(...all.map((it) => (first(it) ?? 0) - moment));
}

/** Until each log has grown by some entries. */
async function busy(): Promise<void> {
  const before = pens.map(({ yes }) => yes.length);
  await eventually('all write', () =>
    pens.every(({ yes }, index) => yes.length > (before[index] ?? 0) + 5),
  );
}

/** A replica whose news come by way of the node that will fail. */
async function readerThere(): Promise<{ reader: Replica; ear: Ear }> {
  // A third of them is.
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const reader = await replicaOn(cluster.url, { pollMs: 2_000 });
    const ear = new Ear(reader.log);
    for (const id of LOGS) ear.watch.follow(id, 0);
    await eventually('it hears', () => LOGS.every((id) => ear.told.some((it) => it.id === id)));
    const clients = String(await cluster.primary.admin.call('CLIENT', 'LIST'));
    if (clients.includes('name=holdfast-news')) return { reader, ear };
    await ear.close();
    await reader[Symbol.asyncDispose]();
  }
  throw new Error('no news come by way of it');
}

/** Nobody writes any more; then the logs must be what was acknowledged, without a hole and without a repeat. */
async function settled(): Promise<void> {
  quit.abort();
  await work;
  for (const { id, head } of pens) {
    const page = await patiently(() => reader.log.read(id, { after: 0, ...NO_BOUND }));
    // What was sent last may have got through without an answer.
    const there = seqs(page) ?? [];
    expect({ id, there }).toEqual({ id, there: upTo(1, there.length) });
    expect([head, head + 2]).toContain(there.length);
    const fences = page?.events.map(({ fence }) => fence) ?? [];
    expect(fences).toEqual(fences.toSorted((a, b) => a - b));
  }
}

describeRedis('cluster, when a primary', () => {
  beforeAll(async () => {
    cluster = await FailoverCluster.start();
  }, 60_000);

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    quit = new AbortController();
    setMaxListeners(0, quit.signal);
    writer = await replicaOn(cluster.url);
    pens = LOGS.map((id) => new Pen(id));
    clerk = new Clerk();
    for (const id of LOGS) await writer.log.create(id);
    work = Promise.all([clerk, ...pens].map((it) => it.write()));
    // Awaited at the end.
    work.catch(() => undefined);
    ({ reader, ear } = await readerThere());
    await busy();
  }, 60_000);

  afterEach(async () => {
    quit.abort();
    await work.catch(() => undefined);
    for (const id of LOGS) await writer.log.drop(id);
    await ear.close();
    await writer[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();
    await cluster.rejoined();
  });

  test('hands over (CLUSTER FAILOVER): nothing is lost, and all goes on', async () => {
    const began = Date.now();
    await cluster.handOver();
    await cluster.takenOver();
    const over = Date.now();
    const took = await allGoOn(over);
    await busy();
    await settled();
    report('handed over', { over: over - began, took, gaps: gaps(began) });

    expect(pens.map(({ lost, told }) => ({ lost, told }))).toEqual(
      LOGS.map(() => ({ lost: 0, told: 0 })),
    );
    for (const id of clerk.made) expect(await clerk.jobs.get(id)).toBeDefined();
  }, 60_000);

  test.each(sampled(['dies', 'hangs'] as const, 2))(
    '%s, and its replica lacks the last entries: their writers are told, all goes on',
    async (how) => {
      const atRisk = new Set<string>();
      for (const id of LOGS) if (await cluster.isAtRisk(id)) atRisk.add(id);
      expect(atRisk.size).toBeGreaterThan(0);
      expect(atRisk.size).toBeLessThan(LOGS.length);
      await cluster.cutReplication();
      await busy();

      const struck = Date.now();
      await cluster.strike(how);
      await cluster.takenOver();
      const over = Date.now();
      const took = await allGoOn(over);
      const heard = ear.told.length;
      await busy();
      const news = (): boolean =>
        LOGS.every((id) => ear.told.slice(heard).some((it) => it.id === id && it.news));
      await eventually('news of all logs', news, RECOVERED_MS);
      await settled();
      report(how, { over: over - struck, took, gaps: gaps(struck) });

      for (const { id, lost, told } of pens) {
        expect({ id, lost: lost > 0, told }).toEqual({
          id,
          lost: atRisk.has(id),
          told: atRisk.has(id) ? 1 : 0,
        });
      }
    },
    60_000,
  );
});
