import { join } from 'node:path';
import type { Checkpoints } from './agent/checkpoints.ts';
import type { Config } from './config/config.ts';
import type { ApprovalStore, Outbox } from './hitl/approval-store.ts';
import { NO_OUTBOX } from './hitl/webhooks.ts';
import type { Clock } from './lib/clock.ts';
import type { Log } from './lib/log.ts';
import type { Releasers } from './lib/releasers.ts';
import {
  createMemoryEventTransport,
  createMemoryJobStore,
  LocalHintBus,
} from './store/memory/index.ts';
import {
  APPROVAL_INDEXES,
  connectMongo,
  CONVERSATION_INDEXES,
  createMongoApprovalStore,
  createMongoCheckpoints,
  createMongoConversationStore,
  createMongoJobStore,
  createMongoOutbox,
  ensureIndexes,
  JOB_INDEXES,
  mongoTime,
  OUTBOX_INDEXES,
  type MongoConnection,
} from './store/mongo/index.ts';
import {
  connectRedis,
  createRedisEventTransport,
  createRedisHints,
  createRedisJobStore,
  redisTime,
} from './store/redis/index.ts';
import {
  createSqliteApprovalStore,
  createSqliteCheckpoints,
  createSqliteConversationStore,
  createSqliteEventTransport,
  createSqliteJobStore,
  createSqliteOutbox,
  dropTombstones,
  endLeases,
  openDatabase,
} from './store/sqlite/index.ts';
import type { ConversationStore } from './stream/conversation-store.ts';
import type { EventTransport } from './stream/event-transport.ts';
import type { Hints } from './stream/hints.ts';
import type { JobStore } from './stream/job-store.ts';

/** Chooses the adapters of a profile: a part of the composition root. */

export interface Stores {
  jobs: JobStore;
  transport: EventTransport;
  hints: Hints;
  conversations: ConversationStore;
  approvals: ApprovalStore;
  outbox: Outbox;
  checkpoints: Checkpoints;
}

export interface Place {
  clock: Clock;
  log: Log;
  /** What is opened is added here, also where opening the rest fails. */
  releasers: Releasers;
}

/** Rejects with a sentence for the operator where a store can't be had. */
export function openStores(config: Config, place: Place): Promise<Stores> {
  return config.cluster ? openCluster(config, place) : openFile(config, place);
}

async function openFile(config: Config, { clock, releasers }: Place): Promise<Stores> {
  const inMemory = config.profile === 'memory';
  const db = openDatabase(inMemory ? ':memory:' : join(config.dataDir, 'holdfast.db'));
  releasers.add(() => void db.close());
  const kept = {
    conversations: createSqliteConversationStore({ db }),
    approvals: createSqliteApprovalStore({ db }),
    outbox: config.webhooks ? createSqliteOutbox({ db }) : NO_OUTBOX,
    checkpoints: createSqliteCheckpoints({ db }),
    // One process: there is nobody to tell.
    hints: new LocalHintBus().connect(),
  };
  if (inMemory) {
    const jobs = createMemoryJobStore({ clock });
    return { ...kept, jobs, transport: createMemoryEventTransport() };
  }
  // One process holds the file, so whoever held a lease in it is dead.
  endLeases(db);
  dropTombstones(db);
  return {
    ...kept,
    jobs: createSqliteJobStore({ db, clock }),
    transport: createSqliteEventTransport({ db }),
  };
}

const HOUR = 3_600_000;

/** A net under what the supervisor drops. The log of a pause without an end is written again when it is read. */
function expiryOf({ approvals, stream }: Config): { open: number; closed: number } {
  return { open: approvals.ttlMs + 24 * HOUR, closed: stream.retentionMs + HOUR };
}

async function openCluster(config: Config, place: Place): Promise<Stores> {
  const { clock, log, releasers } = place;
  const { cluster, replicaId } = config;
  if (!cluster) throw new Error('the cluster has no stores');
  const mongo = await connectMongo({ uri: cluster.mongoUri, log });
  releasers.add(() => mongo[Symbol.asyncDispose]());
  const redis = await connectRedis({ url: cluster.redisUrl, log });
  releasers.add(() => redis[Symbol.asyncDispose]());
  const onRedis = cluster.jobStore === 'redis';
  await ensureIndexes(mongo, [
    ...(onRedis ? [] : JOB_INDEXES),
    ...CONVERSATION_INDEXES,
    ...APPROVAL_INDEXES,
    ...OUTBOX_INDEXES,
  ]);
  return {
    jobs: onRedis
      ? createRedisJobStore({ redis, now: redisTime(redis) })
      : createMongoJobStore({ mongo, now: mongoTime(mongo) }),
    transport: createRedisEventTransport({ redis, clock, expiry: expiryOf(config) }),
    hints: createRedisHints({ redis, clock, replicaId }),
    checkpoints: await createMongoCheckpoints({ mongo, clock }),
    ...inMongo(config, mongo),
  };
}

function inMongo(
  config: Config,
  mongo: MongoConnection,
): Pick<Stores, 'conversations' | 'approvals' | 'outbox'> {
  return {
    conversations: createMongoConversationStore({ mongo }),
    approvals: createMongoApprovalStore({ mongo }),
    outbox: config.webhooks ? createMongoOutbox({ mongo }) : NO_OUTBOX,
  };
}
