import { madeAt } from '../lib/ids.ts';
import type { JobStore } from './job-store.ts';
import type { Chore } from './maintenance.ts';

export interface OrphansDeps {
  jobs: Pick<JobStore, 'get'>;
  checkpoints: {
    /** Of which generations there are some, behind `after`, in their order. */
    generations(after: string, limit: number): Promise<string[]>;
    deleteGeneration(generationId: string): Promise<void>;
  };
}

/** What is younger may belong to a generation that is just being deleted, or made. */
const GRACE = 86_400_000;

/**
 * Checkpoints of generations that are no more: of a deletion that was cut short, or of a writer that came after it. Ids
 * are in the order of time, so each round ends at the first one that is too young.
 */
export function orphanedCheckpoints({ jobs, checkpoints }: OrphansDeps): Chore {
  let after = '';
  return {
    name: 'orphaned_checkpoints',
    async run(now, limit) {
      const ids = await checkpoints.generations(after, limit);
      let deleted = 0;
      for (const id of ids) {
        const at = madeAt(id);
        after = id;
        if (at === undefined) continue;
        if (at > now - GRACE) {
          after = '';
          return { deleted, more: false };
        }
        if (await jobs.get(id)) continue;
        await checkpoints.deleteGeneration(id);
        deleted += 1;
      }
      if (ids.length === 0) after = '';
      return { deleted, more: ids.length > 0 };
    },
  };
}
