import { Cluster, type Redis } from 'ioredis';
import type { RedisConnection } from '../../src/store/redis/index.ts';
import type { Job } from '../../src/stream/job.ts';

/**
 * Reads every raw key of the job store and says what the indexes would be if they were made from the records anew.
 * It shares no line with the adapter but the names of its keys, which are a format: upgrades find them in databases.
 */

type Member = [member: string, score: number];

export interface Keys {
  strings: Map<string, string>;
  /** Members as Redis orders them: by score, then by member. */
  sorted: Map<string, Member[]>;
  sets: Map<string, Set<string>>;
}

const noKeys = (): Keys => ({ strings: new Map(), sorted: new Map(), sets: new Map() });

export interface Audit {
  /** What is there, without the records and the counter. */
  found: Keys;
  /** What the records say should be there. */
  derived: Keys;
}

interface Row {
  id: string;
  job: Job;
  place: string;
  logDropped: boolean;
}

const ROOT = 'hf:{jobs}:';

const isRecord = (key: string): boolean => key.startsWith(`${ROOT}job:`);

/** Every key of the job store. */
export async function jobKeys(redis: RedisConnection): Promise<string[]> {
  return redis.run(async (client) => {
    const nodes = client instanceof Cluster ? client.nodes('master') : [client];
    const keys = await Promise.all(nodes.map((node) => node.keys(`${ROOT}*`)));
    return keys.flat().toSorted();
  });
}

export async function auditJobs(redis: RedisConnection): Promise<Audit> {
  const keys = await jobKeys(redis);
  const rows = await Promise.all(keys.filter(isRecord).map((key) => readRow(redis, key)));
  const found = noKeys();
  const indexes = keys.filter((key) => !isRecord(key) && key !== `${ROOT}counter`);
  await Promise.all(indexes.map((key) => redis.run((client) => readIndex(client, key, found))));
  return { found, derived: derive(rows) };
}

async function readRow(redis: RedisConnection, key: string): Promise<Row> {
  const fields = await redis.run((client) => client.hgetall(key));
  const job: Job = JSON.parse(fields['record'] ?? '');
  if (fields['version'] !== String(job.version)) throw new Error(`${key} has another version`);
  return {
    id: key.slice(`${ROOT}job:`.length),
    job,
    place: fields['place'] ?? '',
    logDropped: fields['log_dropped'] === '1',
  };
}

async function readIndex(client: Redis | Cluster, key: string, keys: Keys): Promise<void> {
  const type = await client.type(key);
  if (type === 'string') keys.strings.set(key, (await client.get(key)) ?? '');
  else if (type === 'set') keys.sets.set(key, new Set(await client.smembers(key)));
  else if (type === 'zset') keys.sorted.set(key, await readSorted(client, key));
  else throw new Error(`${key} is a ${type}`);
}

async function readSorted(client: Redis | Cluster, key: string): Promise<Member[]> {
  const members = await client.zrange(key, '0', '-1');
  return Promise.all(
    members.map(async (member): Promise<Member> => {
      return [member, Number(await client.zscore(key, member))];
    }),
  );
}

function derive(rows: Row[]): Keys {
  const keys = noKeys();
  const put: Put = (name, member, score) => {
    const list = keys.sorted.get(ROOT + name) ?? [];
    keys.sorted.set(ROOT + name, [...list, [member, score]]);
  };
  const taken = new Set(rows.filter(isActive).map(({ job }) => job.conversationId));
  for (const row of rows) {
    deriveIdentity(row, keys, put);
    deriveTimes(row, taken, put);
  }
  for (const [key, list] of keys.sorted) keys.sorted.set(key, inOrder(list));
  return keys;
}

type Put = (name: string, member: string, score: number) => void;

const isActive = ({ job }: Row): boolean => job.status !== 'finished' && job.lane === 'active';

function deriveIdentity(row: Row, keys: Keys, put: Put): void {
  const { id, job } = row;
  const place = Number(row.place);
  const owner = JSON.stringify([job.owner.tenantId, job.owner.userId]);
  for (const { idempotencyKey: key } of [job, ...(job.steers ?? [])]) {
    const holder = keys.strings.get(`${ROOT}key:${key}`) ?? id;
    if (holder !== id) throw new Error(`${key} has two jobs`);
    keys.strings.set(`${ROOT}key:${key}`, id);
  }
  put(`conversation:${job.conversationId}`, id, place);
  if (job.status !== 'finished') {
    put(`conversation-live:${job.conversationId}`, id, place);
    put(`owner-live:${owner}`, id, place);
  }
  if (['queued', 'running'].includes(job.status)) {
    const slots = `${ROOT}owner-slots:${owner}`;
    keys.sets.set(slots, new Set(keys.sets.get(slots)).add(id));
  }
  if (isActive(row)) {
    const lane = `${ROOT}lane:${job.conversationId}`;
    if (keys.strings.has(lane)) throw new Error(`${job.conversationId} has two live active jobs`);
    keys.strings.set(lane, id);
  }
}

function deriveTimes({ id, job, place, logDropped }: Row, taken: Set<string>, put: Put): void {
  const member = `${place}:${id}`;
  if (job.status === 'queued' && job.lane === 'active') put('queue', id, job.queuedAt);
  if (job.status === 'queued' && job.lane === 'waiting') {
    put(`conversation-waiting:${job.conversationId}`, member, job.queuedAt);
    if (!taken.has(job.conversationId)) put('orphans', member, job.queuedAt);
  }
  if (job.status === 'finished' && !logDropped) put('logs', member, job.finishedAt);
  const times = timesOf(job);
  if (times.length > 0) put('due', member, Math.min(...times));
}

/** Of the states that this test makes: a recovery question is in the contract suite. */
function timesOf(job: Job): number[] {
  if (job.status === 'running' || job.status === 'finalizing') return [job.lease.leaseUntil];
  if (job.status !== 'paused') return [];
  const { expiresAt } = job.action;
  const ends = [expiresAt === null ? null : Date.parse(expiresAt), job.warnAt];
  return [...ends, job.lease?.leaseUntil ?? null].filter((time) => time !== null);
}

function inOrder(list: Member[]): Member[] {
  return list.toSorted(([a, at], [b, bt]) => at - bt || (a < b ? -1 : 1));
}
