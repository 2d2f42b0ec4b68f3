import type { Clock } from '../lib/clock.ts';
import type { Position } from './cursor.ts';
import type { Job } from './job.ts';
import type { LogHub } from './log-hub.ts';
import type { Follower, LogView } from './log-view.ts';

/** Several flush windows: what a driver has shown is durable after one, or is repeated because a store is slow. */
const PATIENCE_MS = 1_000;

export interface CatchUpDeps {
  hub: Pick<LogHub, 'refresh' | 'resident' | 'tune' | 'drives'>;
  clock: Clock;
}

/**
 * Brings the view to a cursor that is ahead of it, if that can be. A driver shows its own readers deltas up to one
 * flush window before they are durable, so one of them who comes back here may be ahead of the store: not for long,
 * unless the driver died in between. Resolves when the log has come so far, or it is known or likely that it never will.
 */
export async function catchUp(
  view: LogView,
  { job, at }: { job: Job; at: Position },
  { hub, clock }: CatchUpDeps,
): Promise<LogView> {
  const { generationId } = job;
  if (!isAhead(at, view) || hub.drives(generationId)) return view;
  const fresh = (await hub.refresh(generationId, 'kept')) ?? view;
  const coming = job.status === 'running' && job.fence === at.fence;
  if (!coming || !isAhead(at, fresh) || hub.drives(generationId)) return fresh;
  const resident = hub.resident(fresh);
  await new Promise<void>((resolve) => {
    const over = (): void => {
      late.cancel();
      resident.followers.delete(follower);
      hub.tune(resident);
      resolve();
    };
    const late = clock.after(PATIENCE_MS, over);
    const follower: Follower = {
      pump: () => {
        if (!isAhead(at, resident)) over();
      },
      lost: over,
    };
    resident.followers.add(follower);
    hub.tune(resident);
  });
  return resident;
}

function isAhead(at: Position, { head, closed }: LogView): boolean {
  return !closed && at.seq > head.seq && at.fence >= head.fence;
}
