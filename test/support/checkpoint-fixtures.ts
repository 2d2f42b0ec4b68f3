import Database from 'libsql';
import { z } from 'zod';
import { systemClock } from '../../src/lib/clock.ts';
import { createMongoCheckpoints } from '../../src/store/mongo/index.ts';
import { createSqliteCheckpoints } from '../../src/store/sqlite/index.ts';
import type { CheckpointsFixture } from '../contract/checkpoint-kit.ts';
import type { MongoUnderTest } from './mongo-service.ts';

const counted = z.array(z.object({ thread: z.string(), n: z.number() }));

/** By thread, from one list per kind. */
function tally(kinds: { thread: string; n: number }[][]): Map<string, number[]> {
  const threads = new Set(kinds.flat().map(({ thread }) => thread));
  return new Map(
    [...threads].toSorted().map((thread) => {
      return [thread, kinds.map((kind) => kind.find((row) => row.thread === thread)?.n ?? 0)];
    }),
  );
}

export function sqliteCheckpoints(): CheckpointsFixture {
  const db = new Database(':memory:');
  return {
    fresh: async (mode) => createSqliteCheckpoints({ db, ...mode }),
    async records() {
      const tables = ['checkpoints', 'checkpoint_writes', 'checkpoint_values'];
      const kinds = tables.map((table) =>
        db.prepare(`SELECT thread_id AS thread, count(*) AS n FROM ${table} GROUP BY 1`).all(),
      );
      return tally(kinds.map((rows) => counted.parse(rows)));
    },
    destroy: () => void db.close(),
  };
}

export function mongoCheckpoints(at: MongoUnderTest): CheckpointsFixture {
  return {
    fresh: (mode) => createMongoCheckpoints({ mongo: at.mongo, clock: systemClock, ...mode }),
    async records() {
      const kinds = ['checkpoints', 'checkpoint_writes'].map((name) =>
        at.mongo.db
          .collection(name)
          .aggregate([
            { $group: { _id: '$thread_id', n: { $sum: 1 } } },
            { $project: { _id: 0, thread: '$_id', n: 1 } },
          ])
          .toArray(),
      );
      return tally((await Promise.all(kinds)).map((rows) => counted.parse(rows)));
    },
    destroy: () => at.clear(),
  };
}
