import type { Job, PausedJob } from '../stream/job.ts';

/** Before any time that a clock shows. */
const ALWAYS = 0;

/** When the job becomes somebody's business by itself (`JobStore.due`); null: never. */
export function dueAt(job: Job): number | null {
  if (job.status === 'running' || job.status === 'finalizing') return job.lease.leaseUntil;
  if (job.status !== 'paused') return null;
  const expiresAt = job.action.expiresAt === null ? null : Date.parse(job.action.expiresAt);
  const times = [
    job.lease?.leaseUntil ?? null,
    job.warnAt,
    expiresAt,
    isSettled(job) ? ALWAYS : null,
  ].filter((at) => at !== null);
  return times.length === 0 ? null : Math.min(...times);
}

/** A question whether calls have run that the ledger answers by now. */
function isSettled({ action, ledger }: PausedJob): boolean {
  if (action.kind !== 'recovery') return false;
  return !ledger.some((entry) => entry.open && entry.effects === 'unsafe');
}
