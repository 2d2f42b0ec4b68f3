import type { ConversationStore } from './conversation-store.ts';
import type { EventTransport } from './event-transport.ts';
import { appendAt, createdEvent, userMessage } from './log-append.ts';
import type { Job } from './job.ts';

/**
 * What must exist before anything else of a generation: its conversation, the user's message, and a log with `created`
 * in it. All of it is derived from the job record, and each step is idempotent: whoever comes after a crash completes it.
 */
export class Opening {
  readonly #deps: {
    conversations: ConversationStore;
    transport: EventTransport;
    temporaryTtl: number;
  };

  constructor(deps: {
    conversations: ConversationStore;
    transport: EventTransport;
    temporaryTtl: number;
  }) {
    this.#deps = deps;
  }

  /** False: the conversation was deleted meanwhile. */
  async save(job: Job): Promise<boolean> {
    const { conversations } = this.#deps;
    const { input, conversationId, owner, createdAt } = job;
    const at = new Date(createdAt).toISOString();
    const purgeAt = input.temporary ? createdAt + this.#deps.temporaryTtl : null;
    if (input.newConversation) {
      const fresh = { conversationId, owner, title: null, temporary: input.temporary };
      const kept = await conversations.ensure({ ...fresh, createdAt: at, updatedAt: at, purgeAt });
      if (!kept) return false;
    }
    const there = input.again
      ? (await conversations.get(conversationId)) !== undefined
      : (await conversations.upsertMessage(userMessage(job), 0)) !== 'gone';
    if (!there) return false;
    await conversations.touch(conversationId, at, purgeAt);
    return true;
  }

  /** Makes the log and its first event, as the holder of `fence` (0: nobody drives yet). */
  async createLog(job: Job, fence: number): Promise<void> {
    const { transport } = this.#deps;
    const { generationId } = job;
    await transport.create(generationId);
    const at = new Date(job.createdAt).toISOString();
    // Refusals are fine: it is there already, or whoever fenced the log makes it.
    await appendAt(transport, { generationId, fence, head: 0, at }, [createdEvent(job)]);
  }
}
