import { isLive, usesSlot, type Job } from '../../stream/job.ts';
import { dueAt } from '../job-due.ts';

/** In which indexes a job is, and with which time (epoch ms); null: not there. It follows from the record alone. */
export interface JobIndex {
  /** Among the live jobs of its conversation and its owner. */
  live: boolean;
  /** Has the lane of its conversation. */
  active: boolean;
  slot: boolean;
  queuedAt: number | null;
  /** `queuedAt` of a waiting job. Whether nobody is before it is for the script to see. */
  waitingSince: number | null;
  dueAt: number | null;
  finishedAt: number | null;
}

export function indexOf(job: Job): JobIndex {
  const queuedAt = job.status === 'queued' ? job.queuedAt : null;
  return {
    live: isLive(job),
    active: isLive(job) && job.lane === 'active',
    slot: usesSlot(job),
    queuedAt: job.lane === 'active' ? queuedAt : null,
    waitingSince: job.lane === 'waiting' ? queuedAt : null,
    dueAt: dueAt(job),
    finishedAt: job.status === 'finished' ? job.finishedAt : null,
  };
}

/** As arguments of `job-replace`, in their order. */
export function indexArguments(job: Job): string[] {
  const { live, active, slot, queuedAt, waitingSince, dueAt, finishedAt } = indexOf(job);
  return [
    ...[live, active, slot].map((is) => (is ? '1' : '')),
    ...[queuedAt, waitingSince, dueAt, finishedAt].map(score),
  ];
}

/** Throws at what is no time, before a script could fail at it half done. */
export function score(time: number | null): string {
  if (time === null) return '';
  if (Number.isFinite(time)) return String(time);
  throw new Error(`${time} is no time`);
}
