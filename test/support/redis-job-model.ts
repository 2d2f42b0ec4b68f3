import fc from 'fast-check';
import type { Job, Owner, QueuedJob } from '../../src/stream/job.ts';
import type { JobStore } from '../../src/stream/job-store.ts';
import { EPOCH } from './fake-clock.ts';
import { aQueuedJob, finalizing, finished, paused, requeued, running, steered } from './jobs.ts';

/** Random lives of jobs, the same on two stores, and all that can be asked of a store. */

const CONVERSATIONS = ['conv-a', 'conv-b', 'conv {c}'];
const OWNERS: Owner[] = [
  { tenantId: 'tenant', userId: 'ann' },
  { tenantId: 'tenant', userId: 'bob' },
];

/** Few values, so that ties are frequent. */
const time = fc.nat({ max: 5 }).map((offset) => EPOCH + offset);

const insert = fc.record({
  op: fc.constant('insert' as const),
  conversationId: fc.constantFrom(...CONVERSATIONS),
  owner: fc.constantFrom(...OWNERS),
  key: fc.nat({ max: 30 }),
  lane: fc.constantFrom('active' as const, 'waiting' as const),
  limit: fc.integer({ min: 1, max: 6 }),
  time,
});
const move = fc.record({
  op: fc.constant('move' as const),
  which: fc.nat(),
  to: fc.constantFrom(
    'running' as const,
    'paused' as const,
    'announcing' as const,
    'finalizing' as const,
    'finished' as const,
    'requeued' as const,
    'promoted' as const,
    'same' as const,
  ),
  time,
  stale: fc.oneof(
    { weight: 9, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
});
const steer = fc.record({
  op: fc.constant('steer' as const),
  which: fc.nat(),
  key: fc.nat({ max: 30 }),
});
const dropLog = fc.record({ op: fc.constant('dropLog' as const), which: fc.nat() });
const remove = fc.record({
  op: fc.constant('remove' as const),
  conversationId: fc.constantFrom(...CONVERSATIONS),
});

const step = fc.oneof(
  { weight: 8, arbitrary: insert },
  { weight: 12, arbitrary: move },
  { weight: 4, arbitrary: steer },
  { weight: 2, arbitrary: dropLog },
  { weight: 1, arbitrary: remove },
);
export type JobStep = typeof step extends fc.Arbitrary<infer S> ? S : never;
type Move = Extract<JobStep, { op: 'move' }>;

export const jobSteps = fc.array(step, { minLength: 1, maxLength: 30, size: 'max' });

/** The stores that live through the same, and the jobs that were ever tried. */
export class JobLives {
  readonly #stores: readonly [JobStore, JobStore];
  readonly #jobs: QueuedJob[] = [];
  readonly #steerKeys = new Set<string>();

  constructor(stores: readonly [JobStore, JobStore]) {
    this.#stores = stores;
  }

  /** What each of the stores says to the step. */
  async play(step: JobStep): Promise<unknown[]> {
    const each = await this.#prepared(step);
    return Promise.all(this.#stores.map(each));
  }

  /** All that each of the stores knows. */
  async answers(): Promise<unknown[]> {
    return Promise.all(this.#stores.map((store) => this.#answersOf(store)));
  }

  async deleteAll(): Promise<void> {
    for (const store of this.#stores) {
      for (const id of CONVERSATIONS) await store.deleteConversation(id);
    }
  }

  async #prepared(step: JobStep): Promise<(store: JobStore) => Promise<unknown>> {
    switch (step.op) {
      case 'insert': {
        const job = jobOf(step);
        this.#jobs.push(job);
        return (store) => store.insert(job, { maxPerOwner: step.limit });
      }
      case 'move': {
        const job = await this.#stores[0].get(this.#id(step.which));
        const next = job && moved(job, step);
        if (!next) return async () => undefined;
        const expected = step.stale ? next.version : next.version - 1;
        return (store) => store.compareAndSet({ ...next, version: expected + 1 }, expected);
      }
      case 'steer': {
        const job = await this.#stores[0].get(this.#id(step.which));
        if (!job) return async () => undefined;
        const key = keyOf(job.owner, step.key);
        this.#steerKeys.add(key);
        const next = steered(job, key);
        return (store) => store.compareAndSet(next, job.version);
      }
      case 'dropLog':
        return (store) => store.logDropped(this.#id(step.which));
      case 'remove':
        return (store) => store.deleteConversation(step.conversationId);
      default:
        return step satisfies never;
    }
  }

  #id(which: number): string {
    return this.#jobs[which % Math.max(1, this.#jobs.length)]?.generationId ?? 'none';
  }

  async #answersOf(store: JobStore): Promise<unknown> {
    return Promise.all([
      ...this.#jobs.flatMap(({ generationId, idempotencyKey }) => [
        store.get(generationId),
        store.byIdempotencyKey(idempotencyKey),
        store.queuePosition(generationId),
      ]),
      ...[...this.#steerKeys].map((key) => store.byIdempotencyKey(key)),
      ...CONVERSATIONS.flatMap((id) => [store.liveOf(id), store.latestOf(id), store.allOf(id)]),
      ...OWNERS.flatMap((owner) => [store.liveByOwner(owner, 2), store.liveByOwner(owner, 99)]),
      ...[0, 1, 99].flatMap((limit) => [
        store.claimable(limit),
        store.due(EPOCH + 2, limit),
        store.due(EPOCH + 99, limit),
        store.withLogOlderThan(EPOCH + 2, limit),
        store.withLogOlderThan(EPOCH + 99, limit),
      ]),
    ]);
  }
}

function jobOf({ conversationId, owner, key, lane, time }: Extract<JobStep, { op: 'insert' }>) {
  const idempotencyKey = keyOf(owner, key);
  return aQueuedJob({ conversationId, owner, idempotencyKey, lane, queuedAt: time });
}

const keyOf = ({ tenantId, userId }: Owner, key: number): string => `${tenantId}/${userId}/${key}`;

/** Undefined: from where it is there is no such way. */
function moved(job: Job, { to, time }: Move): Job | undefined {
  if (to === 'same') return { ...job, attempts: job.attempts + 1, version: job.version + 1 };
  if (job.status === 'finished') return undefined;
  switch (to) {
    case 'running':
      return running(job, time);
    case 'paused':
      return paused(job, time % 2 === 0 ? time : null);
    case 'announcing': {
      const lease = { driver: 'driver', leaseUntil: time };
      return { ...paused(job, time + 1), lease, warnAt: time - 1 };
    }
    case 'finalizing':
      return finalizing(job, time);
    case 'finished':
      return finished(job, time);
    case 'requeued':
      return requeued(job, time);
    case 'promoted':
      return { ...job, lane: 'active', version: job.version + 1 };
    default:
      return to satisfies never;
  }
}
