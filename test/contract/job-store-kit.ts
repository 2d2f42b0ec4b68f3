import type { Job } from '../../src/stream/job.ts';
import type { JobStore } from '../../src/stream/job-store.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import { aQueuedJob } from '../support/jobs.ts';

/** What the parts of the job store suite share. */

/** The store of the running test. */
export interface UnderTest {
  readonly jobs: JobStore;
  readonly clock: FakeClock;
}

export const NO_LIMIT = { maxPerOwner: 1_000_000 };

export const ids = (jobs: Job[]): string[] => jobs.map(({ generationId }) => generationId);

/** A new job that is in the store. */
export async function inserted(at: UnderTest, overrides: Parameters<typeof aQueuedJob>[0] = {}) {
  const job = aQueuedJob(overrides);
  const result = await at.jobs.insert(job, NO_LIMIT);
  if (result.outcome !== 'inserted') throw new Error(`not inserted: ${result.outcome}`);
  return job;
}

/** Stores the next version of a job, which must succeed. */
export async function moved<J extends Job>(at: UnderTest, next: J): Promise<J> {
  const result = await at.jobs.compareAndSet(next, next.version - 1);
  if (result.outcome !== 'stored') throw new Error(`not stored: ${result.outcome}`);
  return next;
}

export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
