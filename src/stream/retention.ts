import type { ApprovalStore, EndedApproval } from '../hitl/approval-store.ts';
import type { ConversationStore, IdleConversation } from './conversation-store.ts';
import { isLive } from './job.ts';
import type { JobStore } from './job-store.ts';
import { sweep, type Chore } from './maintenance.ts';

/** How long things are kept after their last use, ms; undefined: until they are deleted. */
export interface Retention {
  conversations?: number | undefined;
  audit?: number | undefined;
}

export interface RetentionDeps {
  jobs: Pick<JobStore, 'get' | 'liveOf'>;
  conversations: Pick<ConversationStore, 'get' | 'idleSince'>;
  approvals: Pick<ApprovalStore, 'endedBefore' | 'forget'>;
  /** As it is now. */
  retention(): Retention;
  /** Deletes a conversation with all that belongs to it. */
  erase(conversationId: string): Promise<void>;
}

/** Conversations that nobody uses any more, and trails of approvals that ended long ago. */
export function retentionChores(deps: RetentionDeps): Chore[] {
  const { jobs, conversations, approvals } = deps;
  return [
    sweep<IdleConversation>({
      name: 'conversations',
      age: () => deps.retention().conversations,
      list: (before, after, limit) => conversations.idleSince(before, after, limit),
      async remove({ conversationId, updatedAt }) {
        // What runs or waits is in use, however long ago it was touched.
        if ((await jobs.liveOf(conversationId)).length > 0) return false;
        const now = await conversations.get(conversationId);
        if (now?.updatedAt !== updatedAt) return false;
        await deps.erase(conversationId);
        return true;
      },
    }),
    sweep<EndedApproval>({
      name: 'audit',
      age: () => deps.retention().audit,
      list: (before, after, limit) => approvals.endedBefore(before, after, limit),
      async remove({ actionId, generationId }) {
        const job = await jobs.get(generationId);
        // Its next driver may still have to write of it.
        if (job && isLive(job)) return false;
        await approvals.forget(actionId);
        return true;
      },
    }),
  ];
}
