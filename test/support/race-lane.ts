import { setTimeout as sleep } from 'node:timers/promises';
import {
  APPROVAL_INDEXES,
  connectMongo,
  CONVERSATION_INDEXES,
  createMongoApprovalStore,
  createMongoConversationStore,
  createMongoJobStore,
  createMongoOutbox,
  ensureIndexes,
  JOB_INDEXES,
  OUTBOX_INDEXES,
} from '../../src/store/mongo/index.ts';
import { LocalHintBus } from '../../src/store/memory/index.ts';
import {
  connectRedis,
  createRedisEventTransport,
  createRedisJobStore,
} from '../../src/store/redis/index.ts';
import { FakeClock } from './fake-clock.ts';
import type { Stores } from './heart.ts';
import { silent, withDatabase } from './mongo-service.ts';
import { RaceWorld } from './race-world.ts';

/** Races on real stores, one after the other; several lanes at once do not meet. */
export interface RaceLane extends AsyncDisposable {
  world(seed: number): RaceWorld;
}

export interface LaneOptions {
  mongoUri: string;
  redisPort: number;
  /** From 0; also the number of its database in Redis. */
  lane: number;
  jobsIn: 'mongo' | 'redis';
}

const EXPIRY = { open: 3_600_000, closed: 600_000 };

export async function openLane(options: LaneOptions): Promise<RaceLane> {
  const { mongoUri, redisPort, lane, jobsIn } = options;
  const uri = withDatabase(mongoUri, `hf_lane${lane}_${process.pid}_${Date.now()}`);
  const mongo = await connectMongo({ uri, log: silent, deadline: 30_000 });
  const redis = await connectRedis({ url: `redis://127.0.0.1:${redisPort}/${lane}`, log: silent });
  await ensureIndexes(mongo, [
    ...JOB_INDEXES,
    ...CONVERSATION_INDEXES,
    ...APPROVAL_INDEXES,
    ...OUTBOX_INDEXES,
  ]);
  return {
    world(seed) {
      const clock = new FakeClock(Date.now());
      // Time is the test's, so that it can pass an action by.
      const now = async (): Promise<number> => clock.now();
      const stores: Stores = {
        clock,
        jobs:
          jobsIn === 'redis'
            ? createRedisJobStore({ redis, now })
            : createMongoJobStore({ mongo, now }),
        transport: createRedisEventTransport({ redis, clock, expiry: EXPIRY }),
        conversations: createMongoConversationStore({ mongo }),
        approvals: createMongoApprovalStore({ mongo }),
        outbox: createMongoOutbox({ mongo }),
        hints: new LocalHintBus(),
        close() {},
      };
      return new RaceWorld(seed, { stores, turn: () => sleep(2) });
    },
    async [Symbol.asyncDispose]() {
      await mongo.db.dropDatabase();
      await mongo[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
    },
  };
}
