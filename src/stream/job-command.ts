import { isUnavailable } from '../errors.ts';
import { hashOf } from '../lib/json.ts';
import type { Job } from './job.ts';
import type { JobStore, StoreResult } from './job-store.ts';
import { transition } from './transition.ts';
import type { Command, Refusal } from './transition-command.ts';

export type CommandResult =
  | { outcome: 'moved'; job: Job }
  /** `job`: what is there instead; undefined (with `gone`): nothing. */
  | { outcome: 'refused'; reason: Refusal | 'gone' | 'key_taken'; job: Job | undefined };

/** Somebody else's write makes ours try again; this many in a row is a defect. */
const MAX_TRIES = 1_000;

/** One try: `stale` where somebody else wrote since `job` was read. */
export async function carryOutOnce(
  jobs: Pick<JobStore, 'compareAndSet'>,
  job: Job,
  command: Command,
): Promise<CommandResult | { outcome: 'stale'; current: Job | undefined }> {
  const next = transition(job, command);
  if (next.outcome === 'refused') return { ...next, job };
  const written = await compareAndSet(jobs, next.job, job.version);
  if (written.outcome === 'stored') return next;
  if (written.outcome === 'key_taken') return { outcome: 'refused', reason: 'key_taken', job };
  if (written.outcome === 'lane_taken') return { outcome: 'refused', reason: 'waiting', job };
  return written;
}

/** A write whose answer was lost is sent once more: it may have got through. */
async function compareAndSet(
  jobs: Pick<JobStore, 'compareAndSet'>,
  next: Job,
  expected: number,
): Promise<StoreResult> {
  try {
    return await jobs.compareAndSet(next, expected);
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    const again = await jobs.compareAndSet(next, expected);
    const through =
      again.outcome === 'stale' && again.current && hashOf(again.current) === hashOf(next);
    return through ? { outcome: 'stored' } : again;
  }
}

/** Carries a command out on the record that is really there: read, transition, compare-and-set, again if it was stale. */
export async function carryOut(
  jobs: Pick<JobStore, 'get' | 'compareAndSet'>,
  generationId: string,
  command: Command,
): Promise<CommandResult> {
  let job = await jobs.get(generationId);
  for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
    if (!job) return { outcome: 'refused', reason: 'gone', job: undefined };
    const written = await carryOutOnce(jobs, job, command);
    if (written.outcome !== 'stale') return written;
    job = written.current;
  }
  throw new Error(`generation ${generationId}: ${MAX_TRIES} stale writes in a row`);
}
