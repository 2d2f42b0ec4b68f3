import { madeAt } from '../lib/ids.ts';
import type { ApprovalStore, ProposedApproval } from '../hitl/approval-store.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { EventTransport } from './event-transport.ts';
import type { JobStore } from './job-store.ts';
import { sweep, type Chore } from './maintenance.ts';

interface CheckpointDeps {
  jobs: Pick<JobStore, 'get'>;
  checkpoints: {
    /** Of which generations there are some, behind `after`, in their order. */
    generations(after: string, limit: number): Promise<string[]>;
    deleteGeneration(generationId: string): Promise<void>;
  };
}

interface LogDeps {
  jobs: Pick<JobStore, 'get'>;
  transport: Pick<EventTransport, 'list' | 'drop'>;
}

interface ApprovalDeps {
  jobs: Pick<JobStore, 'get'>;
  conversations: Pick<ConversationStore, 'get'>;
  approvals: Pick<ApprovalStore, 'proposedBefore' | 'forget'>;
}

/**
 * What is younger may belong to a generation that is just being deleted, or made: its record is there before anything
 * else of it. Ids and proposals have the time of some replica's clock, which is not wrong by so much.
 */
const GRACE = 86_400_000;
/** Logs named at once: nearly all of them are young, and cost nothing more. */
const LOGS = 500;

export function orphanChores(deps: CheckpointDeps & LogDeps & ApprovalDeps): Chore[] {
  return [orphanedCheckpoints(deps), orphanedLogs(deps), orphanedApprovals(deps)];
}

/**
 * Checkpoints of generations that are no more: of a deletion that was cut short, or of a writer that came after it. Ids
 * are in the order of time, so each round ends at the first one that is too young.
 */
export function orphanedCheckpoints({ jobs, checkpoints }: CheckpointDeps): Chore {
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

/** Logs of generations that are no more: of a finaliser, say, that wrote its last event behind a deletion. */
export function orphanedLogs({ jobs, transport }: LogDeps): Chore {
  let cursor: string | undefined;
  return {
    name: 'orphaned_logs',
    async run(now) {
      const page = await transport.list(cursor, LOGS);
      // First: what can't be looked at or deleted now is passed by, until the next round.
      cursor = page.cursor;
      let deleted = 0;
      for (const id of page.generationIds) {
        const at = madeAt(id);
        if (at === undefined || at > now - GRACE || (await jobs.get(id))) continue;
        await transport.drop(id);
        deleted += 1;
      }
      return { deleted, more: cursor !== undefined };
    },
  };
}

/**
 * Approvals, with their trails, of conversations that are no more. One by one: to delete all of such a conversation would
 * bar its id, which a client may use again.
 */
export function orphanedApprovals({ jobs, conversations, approvals }: ApprovalDeps): Chore {
  return sweep<ProposedApproval>({
    name: 'orphaned_approvals',
    age: () => GRACE,
    list: (before, after, limit) => approvals.proposedBefore(before, after, limit),
    async remove({ actionId, generationId, conversationId }) {
      if (await conversations.get(conversationId)) return false;
      if (await jobs.get(generationId)) return false;
      await approvals.forget(actionId);
      return true;
    },
  });
}
