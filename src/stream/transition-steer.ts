import type { Job } from './job.ts';
import type { CommandOf, TransitionResult } from './transition-command.ts';
import { moved, refused } from './transition-parts.ts';

/** T18: a message that comes while the answer is being made. */

/** They stand in the record until the answer is over: more of them wait their turn. */
const MAX_STEERS = 20;
/** UTF-16 units of all of them. */
const MAX_TEXT = 100_000;

export function steer(job: Job, { steer: next }: CommandOf<'steer'>): TransitionResult {
  const open = job.status === 'running' || job.status === 'paused';
  if (!open && !(job.status === 'queued' && job.lane === 'active')) return refused('wrong_status');
  const known = job.steers ?? [];
  if (known.some(({ idempotencyKey }) => idempotencyKey === next.idempotencyKey)) {
    return refused('known');
  }
  const steers = [...known, next];
  const units = steers.reduce((sum, { text }) => sum + text.length, 0);
  if (steers.length > MAX_STEERS || units > MAX_TEXT) return refused('full');
  return moved({ ...job, steers });
}
