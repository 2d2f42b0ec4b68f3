import type { ApprovalStore } from '../hitl/approval-store.ts';
import type { FileStore } from '../files/file-store.ts';
import type { Log } from '../lib/log.ts';
import type { ConversationStore } from '../stream/conversation-store.ts';
import type { JobStore } from '../stream/job-store.ts';
import type { Chore } from '../stream/maintenance.ts';
import type { Owner } from '../stream/owner.ts';
import type { Erasure, ErasureStore } from './erasure-store.ts';

export interface EraserDeps {
  erasures: ErasureStore;
  conversations: Pick<ConversationStore, 'allOf'>;
  jobs: Pick<JobStore, 'liveByOwner' | 'now'>;
  approvals: Pick<ApprovalStore, 'deleteRules'>;
  files: Pick<FileStore, 'list' | 'delete'>;
  usage: { deleteOwner(owner: Owner): Promise<void> };
  /** Stops what runs in it and deletes all of it. Idempotent. */
  eraseConversation(conversationId: string, by: string): Promise<void>;
  log: Log;
}

const BATCH = 100;

/**
 * Deletes all that there is of a user. That it is wanted is durable before anything goes; every step may be done twice,
 * so whoever finds it pending, after a crash another process, does it from the beginning.
 */
export class Eraser implements AsyncDisposable {
  readonly #deps: EraserDeps;
  readonly #trials = new Set<Promise<void>>();

  constructor(deps: EraserDeps) {
    this.#deps = deps;
  }

  /** Resolves when it is certain that it will be done; it is tried at once. */
  async request({ tenantId, userId }: Owner): Promise<string> {
    const { erasures, jobs, log } = this.#deps;
    const erasure = { owner: { tenantId, userId }, requestedAt: await jobs.now() };
    await erasures.request(erasure);
    const trial = this.#carryOut(erasure).catch((err: unknown) => {
      log.warn({ err }, 'deletion of a user is tried again');
    });
    this.#trials.add(trial);
    void trial.finally(() => this.#trials.delete(trial));
    return new Date(erasure.requestedAt).toISOString();
  }

  /** Resolves when nothing is being deleted here; what comes later is left to the chore. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#trials);
  }

  /** Completes what a crash or an outage left. */
  chore(): Chore {
    return {
      name: 'erasures',
      run: async (_now, limit) => {
        const pending = await this.#deps.erasures.pending(limit);
        for (const erasure of pending) await this.#carryOut(erasure);
        return { deleted: pending.length, more: pending.length === limit };
      },
    };
  }

  async #carryOut(erasure: Erasure): Promise<void> {
    const { erasures, approvals, usage } = this.#deps;
    await this.#conversations(erasure);
    await approvals.deleteRules(erasure.owner);
    await this.#files(erasure);
    await usage.deleteOwner(erasure.owner);
    await erasures.done(erasure);
  }

  async #conversations({ owner, requestedAt }: Erasure): Promise<void> {
    const { conversations, jobs } = this.#deps;
    const erase = (id: string): Promise<void> => this.#deps.eraseConversation(id, owner.userId);
    let cursor: string | undefined;
    do {
      const page = await conversations.allOf(owner, { limit: BATCH, cursor });
      for (const { conversationId, createdAt } of page.items) {
        if (Date.parse(createdAt) > requestedAt) continue;
        await erase(conversationId);
      }
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    // Turns whose conversation was not written yet.
    for (const { conversationId, createdAt } of await jobs.liveByOwner(owner, BATCH)) {
      if (createdAt <= requestedAt) await erase(conversationId);
    }
  }

  async #files({ owner, requestedAt }: Erasure): Promise<void> {
    const { files } = this.#deps;
    let cursor: string | undefined;
    do {
      const page = await files.list(owner, { limit: BATCH, cursor });
      for (const { fileId, createdAt } of page.items) {
        if (Date.parse(createdAt) <= requestedAt) await files.delete(fileId);
      }
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }
}
