import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeMongo, type MongoUnderTest } from '../../support/mongo-service.ts';
import { openLane, type RaceLane } from '../../support/race-lane.ts';
import { playRound } from '../../support/race-round.ts';
import { describeRedis, type RedisServer, startRedis } from '../../support/services.ts';

/**
 * The races of test/sim on the real stores: two hearts in this process, without HTTP. CORE_RACES=10000 is the long run;
 * RACE_SEED plays the same races again.
 */

const RACES = Number(process.env['CORE_RACES'] ?? 4);
const SEED = Number(process.env['RACE_SEED'] ?? 1);
const LANES = Number(process.env['CORE_LANES'] ?? 4);
const JOBS = ['mongo', 'redis'] as const;

async function playLanes(lanes: readonly RaceLane[], from: number): Promise<Map<string, number>> {
  const won = new Map<string, number>();
  let next = from;
  const run = async (lane: RaceLane): Promise<void> => {
    while (next < from + RACES) {
      const seed = next;
      next += 1;
      try {
        const outcome = await playRound(lane.world(seed));
        won.set(outcome, (won.get(outcome) ?? 0) + 1);
      } catch (cause) {
        // Nobody begins another one.
        next = Number.POSITIVE_INFINITY;
        const why = cause instanceof Error ? `${cause.message}\n${String(cause.cause)}` : '';
        throw new Error(`RACE_SEED=${seed}: ${why}`, { cause });
      }
    }
  };
  const runs = lanes.map(run);
  await Promise.allSettled(runs);
  await Promise.all(runs);
  return won;
}

describeRedis('whoever comes to a pause on real stores', () => {
  describeMongo('whoever comes to a pause on real stores', (mongo: MongoUnderTest) => {
    let redis: RedisServer;
    const lanes = new Map<string, RaceLane[]>();

    beforeAll(async () => {
      redis = await startRedis();
      for (const [index, jobsIn] of JOBS.entries()) {
        const at = { mongoUri: mongo.uri, redisPort: redis.port, jobsIn };
        const numbers = Array.from({ length: LANES }, (_, lane) => index * LANES + lane);
        lanes.set(jobsIn, await Promise.all(numbers.map((lane) => openLane({ ...at, lane }))));
      }
    }, 120_000);
    afterAll(async () => {
      for (const lane of [...lanes.values()].flat()) await lane[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
    });

    test.each(JOBS)(
      `has one winner in each of ${RACES} races, records in %s`,
      async (jobsIn) => {
        const won = await playLanes(lanes.get(jobsIn) ?? [], SEED);
        const played = [...won.values()].reduce((sum, count) => sum + count, 0);
        expect(played).toBe(RACES);
        if (RACES >= 1_000) console.info(won);
      },
      120_000 + 500 * RACES,
    );
  });
});
