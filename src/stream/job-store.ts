import type { FinishedJob, Job, Owner, QueuedJob } from './job.ts';

/** Port: the records of generations. Every change of state is one compare-and-set here. */

export type InsertResult =
  | { outcome: 'inserted'; job: QueuedJob }
  /** The idempotency key is taken: the job that has it, as its own or as one of its steers'. */
  | { outcome: 'duplicate'; job: Job }
  /** `lane: 'active'` was asked for, and this live job has it. */
  | { outcome: 'busy'; job: Job }
  /** The owner has as many jobs that use a slot as allowed. */
  | { outcome: 'limit'; live: number };

export type StoreResult =
  | { outcome: 'stored' }
  /** Somebody else wrote first; undefined: the record is gone. */
  | { outcome: 'stale'; current: Job | undefined }
  /** The write would make a second active live job in its conversation. */
  | { outcome: 'lane_taken' }
  /** Another job has the key of one of its steers, as its own or as one of its steers'. */
  | { outcome: 'key_taken' };

/** A compare-and-set: the record as it shall be, and the version that it replaces. */
export interface Change {
  next: Job;
  expected: number;
}

export type ChangeResult =
  | StoreResult
  /** What `compareAndSet` would have thrown. Where the store was out of reach the change may be stored even so. */
  | { outcome: 'failed'; error: unknown };

export interface JobStore {
  /** The store's own clock, epoch ms: leases, expiries and retention are measured by it. */
  now(): Promise<number>;
  /** One atomic write; a new job has no steers. `duplicate` wins over `busy`, `busy` over `limit`. */
  insert(job: QueuedJob, limits: { maxPerOwner: number }): Promise<InsertResult>;
  get(generationId: string): Promise<Job | undefined>;
  /** The job that has the key as its own or as one of its steers': no two have the same one. */
  byIdempotencyKey(key: string): Promise<Job | undefined>;
  /**
   * Replaces the record if its version is still `expected`; `next.version` must be `expected + 1`. Steers are only ever
   * added: `next` has those that the record has. `stale` wins over the others; where both of these hold, either is said.
   */
  compareAndSet(next: Job, expected: number): Promise<StoreResult>;
  /**
   * Many of them, in one round trip where the store can; results are in the order of the changes. Each stands for itself,
   * in no order: others see some before the rest, and one that fails or loses takes nothing from the others. Throws where
   * a version is at fault, before anything is written, and where the store is out of reach: any of them may be stored.
   */
  compareAndSetAll(changes: readonly Change[]): Promise<ChangeResult[]>;
  /** Live jobs of a conversation, oldest first: the active one, then those that wait. */
  liveOf(conversationId: string): Promise<Job[]>;
  /** The newest job of a conversation, live or not. */
  latestOf(conversationId: string): Promise<Job | undefined>;
  /** Live jobs of an owner, oldest first, at most `limit`. */
  liveByOwner(owner: Owner, limit: number): Promise<Job[]>;
  /** Queued active jobs, longest queued first (`queuedAt`, then id). */
  claimable(limit: number): Promise<QueuedJob[]>;
  /** Place of a queued active job in that order, from 1; 0 where it is not queued. */
  queuePosition(generationId: string): Promise<number>;
  /**
   * Jobs that time has made somebody's business: those with a lease that ended at or before `now`; paused with an
   * action that expired, or whose warning fell due, at or before `now`; paused for a recovery question whose ledger has
   * no open unsafe entry any more; waiting while their conversation has no active live job.
   */
  due(now: number, limit: number): Promise<Job[]>;
  /** Finished jobs whose `finishedAt` is at or before `before` and whose log is not yet marked as dropped, oldest first. */
  withLogOlderThan(before: number, limit: number): Promise<FinishedJob[]>;
  /** Marks that the log of a finished job is gone. */
  logDropped(generationId: string): Promise<void>;
  /** Every job of a conversation, oldest first. */
  allOf(conversationId: string): Promise<Job[]>;
  /** Deletes every record of a conversation; the keys of its jobs and their steers are free then. */
  deleteConversation(conversationId: string): Promise<void>;
  /** Rejects if the store can't be used; for /readyz. */
  ping(): Promise<void>;
}
