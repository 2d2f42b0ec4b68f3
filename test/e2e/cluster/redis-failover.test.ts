import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { setMaxListeners } from 'node:events';
import { startTurn, type Turn } from '../../support/api.ts';
import { type LimitedService, startLimitedService } from '../../support/limited-service.ts';
import { describeMongo } from '../../support/mongo-service.ts';
import { FailoverCluster } from '../../support/redis-failover.ts';
import { describeRedis } from '../../support/services.ts';
import { sampled } from '../../support/sampled.ts';
import { truthOf } from '../../support/truth.ts';
import { checkHonest, withdrawals, Witness } from '../../support/witness.ts';

/**
 * A primary of a Redis Cluster is replaced under live answers in its slots and in those of others, which are read at two
 * replicas (of the service, in this process). FAILOVER_WORDS=1000 is the long run, FAULT_REPORT=1
 * prints what readers saw.
 */

const WORDS = Number(process.env['FAILOVER_WORDS'] ?? 400);
const WORD_MS = 10;
const PATIENCE_MS = 15_000;
const MOST_ANSWERS = 40;

const CASES = [
  {
    what: 'dies, and its replica lacks the last words: readers of those are told, nobody else is',
    jobStore: 'mongo',
    dies: true,
  },
  { what: 'hands over, with the records: nobody is told anything', jobStore: 'redis', dies: false },
] as const;

interface Answer {
  turn: Turn;
  atRisk: boolean;
  readers: Witness[];
}

let cluster: FailoverCluster;
let replicas: LimitedService[] = [];
let quit = new AbortController();

async function answer(): Promise<Answer> {
  const [one = ''] = replicas.map(({ url }) => url);
  const turn = await startTurn(one, { text: `say ${WORDS} ${WORD_MS} w` });
  const { signal } = quit;
  const readers = replicas.map(
    ({ url }, index) => new Witness(`reader ${index}`, { baseUrl: url, turn, signal }),
  );
  return { turn, readers, atRisk: await cluster.isAtRisk(turn.generationId) };
}

/** Some in the slots of the one that fails, some in others'. */
async function answers(): Promise<Answer[]> {
  const all: Answer[] = [];
  const enough = (): boolean =>
    [true, false].every((kind) => all.filter(({ atRisk }) => atRisk === kind).length > 1);
  // A third of the slots is the one's that fails.
  while (!enough() && all.length < MOST_ANSWERS) all.push(await answer());
  expect(enough()).toBe(true);
  return all;
}

const each = <T>(all: readonly Answer[], what: (reader: Witness) => Promise<T>): Promise<T[]> =>
  Promise.all(all.flatMap(({ readers }) => readers.map(what)));

/** `over`: until the takeover; `took`: from there to the next words of each reader; ms. */
function report(
  name: string,
  { over, took, seen }: { over: number; took: number[]; seen: Told[] },
) {
  if (!process.env['FAULT_REPORT']) return;
  process.stdout.write(`${name}: ${over} ms, then ${String(took)} ms; ${JSON.stringify(seen)}\n`);
}

interface Told {
  atRisk: boolean;
  /** How often it was told to begin anew, by reader. */
  told: number[];
}

/** To their ends: what every reader has is the truth. */
async function checked(all: readonly Answer[]): Promise<Told[]> {
  return Promise.all(
    all.map(async ({ turn, readers, atRisk }) => {
      const reads = await Promise.all(readers.map(({ read }) => read));
      const truths = await Promise.all(replicas.map(({ url }) => truthOf(url, turn)));
      for (const truth of truths) {
        expect(truth).toEqual(truths[0]);
        expect(truth.message).toMatchObject({ status: 'complete' });
        expect(JSON.stringify(truth.message)).toContain(` w${WORDS}"`);
        for (const read of reads) checkHonest(truth, read);
      }
      return { atRisk, told: reads.map(withdrawals) };
    }),
  );
}

describeRedis('a primary of the cluster', () => {
  describeMongo('is replaced under live answers', (mongo) => {
    beforeAll(async () => {
      cluster = await FailoverCluster.start();
    });

    afterAll(async () => {
      await cluster[Symbol.asyncDispose]();
    });

    beforeEach(() => {
      quit = new AbortController();
      setMaxListeners(0, quit.signal);
    });

    afterEach(async () => {
      quit.abort();
      await Promise.all(replicas.map((replica) => replica.stop()));
      await cluster.rejoined();
    });

    async function start(jobStore: 'mongo' | 'redis'): Promise<void> {
      const env = {
        PROFILE: 'cluster',
        REDIS_URL: cluster.url,
        MONGODB_URI: mongo.another(),
        JOB_STORE: jobStore,
        MAX_GENERATIONS_PER_USER: '1000',
        MAX_STREAMS_PER_USER: '1000',
      };
      replicas = [];
      for (const name of ['a', 'b']) {
        replicas.push(await startLimitedService({ env: { ...env, REPLICA_ID: name } }));
      }
    }

    test.each(sampled(CASES, CASES.length))(
      '$what',
      async ({ what, jobStore, dies }) => {
        await start(jobStore);
        const all = await answers();
        await each(all, (reader) => reader.hears(30, PATIENCE_MS));
        if (dies) {
          await cluster.cutReplication();
          await each(all, (reader) => reader.hears(reader.words + 30, PATIENCE_MS));
        }

        const struck = Date.now();
        if (dies) await cluster.strike('dies');
        else await cluster.handOver();
        await cluster.takenOver();
        const over = Date.now();
        // The others may be at their ends by then.
        const struckOnes = all.filter(({ atRisk }) => atRisk);
        const took = await each(struckOnes, (reader) => reader.wordsAfter(over, PATIENCE_MS));
        const late = await checked([await answer()]);
        const seen = await checked(all);
        report(what, { over: over - struck, took, seen });

        for (const { told } of late) expect(told).toEqual([0, 0]);
        for (const { atRisk, told } of seen) {
          const lost = dies && atRisk;
          expect({ atRisk, told: told.map((times) => times > 0) }).toEqual({
            atRisk,
            told: [lost, lost],
          });
        }
      },
      60_000,
    );
  });
});
