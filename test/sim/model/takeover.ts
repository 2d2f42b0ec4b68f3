import { actor } from '../../support/jobs-sim.ts';
import type { Job } from '../../../src/stream/job.ts';
import type { CommandOf } from '../../../src/stream/transition-command.ts';
import type { Setting } from './world.ts';

/** Every action expires before the next one does, and after the one before it. */
export function expiryOf(revision: number): string {
  return new Date(revision * 1000).toISOString();
}

/** T12 at `now`; `fence`: by the driver itself. */
export function takeover(
  job: Job,
  setting: Setting,
  at: { now: number; fence?: number },
): CommandOf<'takeover'> {
  const revision = job.revision + 1;
  return {
    type: 'takeover',
    actor: actor(at.now),
    maxAttempts: setting.maxAttempts,
    question: {
      actionId: `a${revision}`,
      expiresAt: expiryOf(revision),
      warnAt: setting.warns ? 0 : null,
    },
    ...(at.fence !== undefined && { fence: at.fence }),
  };
}
