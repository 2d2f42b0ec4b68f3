import { notFound } from '../errors.ts';
import type { ConversationStore } from './conversation-store.ts';
import { formatCursor } from './cursor.ts';
import { endCursor, readDurableRecord } from './durable-record.ts';
import type { ActiveGeneration, ConversationStatus } from './generations.ts';
import type { StreamState } from './events.ts';
import { isLive, type Job, type Owner } from './job.ts';
import type { JobStore } from './job-store.ts';
import type { LogRepair } from './log-repair.ts';
import { publicStatus, sameOwner } from './owned.ts';
import { steeredIn, unheard } from './unheard.ts';

/** Live generations listed at most: above any sensible limit per user. */
const MAX_ACTIVE = 1_000;

export interface LookDeps {
  jobs: JobStore;
  conversations: ConversationStore;
  repair: Pick<LogRepair, 'open'>;
}

/** What is going on (docs/PROTOCOL.md section 6). */
export class Look {
  readonly #deps: LookDeps;

  constructor(deps: LookDeps) {
    this.#deps = deps;
  }

  async active(owner: Owner): Promise<ActiveGeneration[]> {
    const live = await this.#deps.jobs.liveByOwner(owner, MAX_ACTIVE);
    return live.map((job) => ({
      generationId: job.generationId,
      conversationId: job.conversationId,
      status: publicStatus(job),
      startedAt: startedAt(job),
    }));
  }

  async status(owner: Owner, conversationId: string): Promise<ConversationStatus> {
    const { jobs, conversations } = this.#deps;
    const conversation = await conversations.get(conversationId);
    if (!conversation || !sameOwner(conversation.owner, owner)) throw notFound('conversation');
    const live = await jobs.liveOf(conversationId);
    const job =
      live.find((it) => it.lane === 'active') ?? live[0] ?? (await jobs.latestOf(conversationId));
    if (!job) return { conversationId, active: false };
    const seen = await this.#seen(job);
    if (!seen) return { conversationId, active: isLive(job) };
    const { generationId } = job;
    const waits = stillUnheard(job, seen.state);
    return {
      conversationId,
      active: isLive(job),
      generation: {
        generationId,
        streamId: generationId,
        status: publicStatus(job),
        cursor: seen.cursor,
        startedAt: startedAt(job),
        ...(job.status === 'paused' && { pendingAction: job.action }),
        state: seen.state,
        ...(waits.length > 0 && { unheard: waits }),
      },
    };
  }

  async #seen(job: Job): Promise<{ cursor: string; state: StreamState } | undefined> {
    const view = await this.#deps.repair.open(job);
    if (view && view.head.seq > 0) {
      return { cursor: formatCursor(job.generationId, view.head), state: view.fold.state() };
    }
    if (job.status !== 'finished') return undefined;
    const record = await readDurableRecord(this.#deps.conversations, job);
    return record && { cursor: endCursor(job), state: record.state };
  }
}

/** What the user wrote meanwhile, and no reader sees in the answer yet. */
function stillUnheard(job: Job, { message }: StreamState): { messageId: string; text: string }[] {
  return unheard(job, steeredIn(message.content)).map(({ messageId, text }) => ({
    messageId,
    text,
  }));
}

function startedAt(job: Job): string {
  return new Date(job.startedAt ?? job.createdAt).toISOString();
}
