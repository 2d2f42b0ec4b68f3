import type { Config } from './config/config.ts';
import { NO_OUTBOX } from './hitl/webhooks.ts';
import {
  APPROVAL_INDEXES,
  connectMongo,
  CONVERSATION_INDEXES,
  createMongoApprovalStore,
  createMongoCheckpoints,
  createMongoConversationStore,
  createMongoErasureStore,
  createMongoFileStore,
  createMongoJobStore,
  createMongoOutbox,
  createMongoUsageStore,
  ensureIndexes,
  ERASURE_INDEXES,
  FILE_INDEXES,
  JOB_INDEXES,
  mongoTime,
  OUTBOX_INDEXES,
  USAGE_INDEXES,
  type MongoConnection,
} from './store/mongo/index.ts';
import {
  connectRedis,
  createRedisEventTransport,
  createRedisHints,
  createRedisJobStore,
  redisTime,
} from './store/redis/index.ts';
import type { Place, Stores } from './stores.ts';

/** The adapters of the profile `cluster`: a part of the composition root. */

const HOUR = 3_600_000;

/** A net under what the supervisor drops. The log of a pause without an end is written again when it is read. */
function expiryOf({ approvals, stream }: Config): { open: number; closed: number } {
  return { open: approvals.ttlMs + 24 * HOUR, closed: stream.retentionMs + HOUR };
}

/** Rejects with a sentence for the operator where a store can't be had. */
export async function openCluster(config: Config, place: Place): Promise<Stores> {
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
    ...USAGE_INDEXES,
    ...FILE_INDEXES,
    ...ERASURE_INDEXES,
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
): Pick<Stores, 'conversations' | 'approvals' | 'outbox' | 'usage' | 'files' | 'erasures'> {
  return {
    conversations: createMongoConversationStore({ mongo }),
    approvals: createMongoApprovalStore({ mongo }),
    outbox: config.webhooks ? createMongoOutbox({ mongo }) : NO_OUTBOX,
    usage: createMongoUsageStore({ mongo }),
    erasures: createMongoErasureStore({ mongo }),
    files: createMongoFileStore({ mongo, now: mongoTime(mongo) }),
  };
}
