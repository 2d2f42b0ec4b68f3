import { keysOf, type Job, type Owner } from '../../stream/job.ts';
import { keyText } from '../key-text.ts';

/**
 * The keys of the job store. All of them carry one hash tag: a write changes the indexes of a conversation, of an owner
 * and of all jobs at once, which a Redis Cluster does only within one slot. Records are few and small; it is the logs
 * that bring the load, and they are spread over all slots.
 */
const ROOT = 'hf:{jobs}:';

/** Followed by the id of a job; scripts that go from an index to the records get it as an argument. */
export const RECORD_PREFIX = `${ROOT}job:`;

/** Sorted sets and a counter over all jobs. `<place>` is 16 digits that rise with every insert. */
export const ALL_JOBS = {
  /** Queued active jobs: id by `queuedAt`. */
  queue: `${ROOT}queue`,
  /** Jobs with a time at which they are somebody's business: `<place>:<id>` by that time (job-due.ts). */
  due: `${ROOT}due`,
  /** Waiting jobs whose conversation has no live active one: `<place>:<id>` by `queuedAt`. */
  orphans: `${ROOT}orphans`,
  /** Finished jobs whose log is not known to be gone: `<place>:<id>` by `finishedAt`. */
  logs: `${ROOT}logs`,
  /** The newest place. */
  counter: `${ROOT}counter`,
} as const;

export interface ConversationKeys {
  /** Id of the live active job. */
  lane: string;
  /** Ids by place. */
  jobs: string;
  /** Ids of live jobs by place. */
  live: string;
  /** `<place>:<id>` of waiting jobs by `queuedAt`. */
  waiting: string;
}

export interface OwnerKeys {
  /** Ids of live jobs by place. */
  live: string;
  /** Ids of the jobs that use a slot. */
  slots: string;
}

/** The id as it is in keys and indexes. */
export function idText(generationId: string): string {
  return keyText(generationId);
}

/** A hash: `record` (JSON), `version`, `fence`, `place`, `log_dropped`, and `steers`, how many keys it has beside its own. */
export function recordKey(generationId: string): string {
  return RECORD_PREFIX + idText(generationId);
}

/** Id of the job that has the key. */
export function idempotencyKey(key: string): string {
  return `${ROOT}key:${keyText(key)}`;
}

export function conversationKeys(conversationId: string): ConversationKeys {
  const text = keyText(conversationId);
  return {
    lane: `${ROOT}lane:${text}`,
    jobs: `${ROOT}conversation:${text}`,
    live: `${ROOT}conversation-live:${text}`,
    waiting: `${ROOT}conversation-waiting:${text}`,
  };
}

/** Two owners never have the same text. */
export function ownerKeys({ tenantId, userId }: Owner): OwnerKeys {
  const text = JSON.stringify([tenantId, userId]);
  return { live: `${ROOT}owner-live:${text}`, slots: `${ROOT}owner-slots:${text}` };
}

/** Keys of its steers. */
export function steerKeys(job: Job): string[] {
  return keysOf(job).slice(1).map(idempotencyKey);
}

/** KEYS of `job-insert`. */
export function insertKeys(job: Job): string[] {
  const { lane, jobs, live, waiting } = conversationKeys(job.conversationId);
  const owner = ownerKeys(job.owner);
  const { queue, orphans, counter } = ALL_JOBS;
  const own = [recordKey(job.generationId), idempotencyKey(job.idempotencyKey)];
  return [...own, lane, jobs, live, waiting, owner.live, owner.slots, queue, orphans, counter];
}

/** KEYS of `job-replace`. */
export function replaceKeys(job: Job): string[] {
  const { lane, live, waiting } = conversationKeys(job.conversationId);
  const owner = ownerKeys(job.owner);
  const { queue, due, orphans, logs } = ALL_JOBS;
  const own = recordKey(job.generationId);
  const indexes = [queue, due, orphans, logs];
  return [own, lane, live, waiting, owner.live, owner.slots, ...indexes, ...steerKeys(job)];
}

/** KEYS of `job-delete`. */
export function deleteKeys(job: Job): string[] {
  const { lane, jobs, live, waiting } = conversationKeys(job.conversationId);
  const owner = ownerKeys(job.owner);
  const { queue, due, orphans, logs } = ALL_JOBS;
  const own = [recordKey(job.generationId), idempotencyKey(job.idempotencyKey)];
  const indexes = [queue, due, orphans, logs];
  const ofOwner = [owner.live, owner.slots];
  return [...own, lane, jobs, live, waiting, ...ofOwner, ...indexes, ...steerKeys(job)];
}
