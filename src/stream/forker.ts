import { createHash } from 'node:crypto';
import { AppError, notFound } from '../errors.ts';
import type { Ids } from '../lib/ids.ts';
import {
  publicConversation,
  type ConversationRecord,
  type ConversationStore,
} from './conversation-store.ts';
import type { ForkRequest } from './generations.ts';
import type { Owner } from './job.ts';
import type { JobStore } from './job-store.ts';
import type { Conversation, Message } from './message.ts';
import { conversationBusy, sameOwner } from './owned.ts';

export interface ForkerDeps {
  jobs: Pick<JobStore, 'liveOf' | 'now'>;
  conversations: ConversationStore;
  ids: Ids;
  temporaryTtl: number;
}

/**
 * Copies a branch into a conversation of its own. The copy is temporary, and so not listed, until all of it is there: one
 * that was cut short is completed by a repeat with its key, whose ids are the same ones, or purged like any other.
 */
export class Forker {
  readonly #deps: ForkerDeps;

  constructor(deps: ForkerDeps) {
    this.#deps = deps;
  }

  async fork(owner: Owner, request: ForkRequest): Promise<Conversation> {
    const { conversations, jobs } = this.#deps;
    const { conversationId, messageId } = request;
    const source = await conversations.get(conversationId);
    if (!source || !sameOwner(source.owner, owner)) throw notFound('conversation');
    const branch = await this.#branch(request);
    const at = await jobs.now();
    const updatedAt = new Date(at).toISOString();
    const fork: ConversationRecord = {
      conversationId: this.#idFor(owner, request.idempotencyKey),
      owner: source.owner,
      title: source.title,
      temporary: true,
      createdAt: updatedAt,
      updatedAt,
      purgeAt: at + this.#deps.temporaryTtl,
      forkedFrom: { conversationId, messageId },
    };
    await this.#begin(fork);
    await this.#copy(branch, fork.conversationId);
    const whole = source.temporary
      ? await conversations.get(fork.conversationId)
      : await conversations.keep(fork.conversationId, updatedAt);
    if (!whole) throw notFound('conversation');
    return publicConversation(whole);
  }

  #idFor({ tenantId, userId }: Owner, key: string | undefined): string {
    if (key === undefined) return this.#deps.ids.sortable('conv');
    return `conv_f${digest(['fork', tenantId, userId, key])}`;
  }

  async #begin(fork: ConversationRecord): Promise<void> {
    const { conversations } = this.#deps;
    const { conversationId, forkedFrom } = fork;
    const there =
      (await conversations.ensure(fork)) && (await conversations.get(conversationId))?.forkedFrom;
    if (!there) throw notFound('conversation');
    const same =
      there.conversationId === forkedFrom?.conversationId &&
      there.messageId === forkedFrom.messageId;
    if (same) return;
    throw new AppError('IDEMPOTENCY_CONFLICT', 'This key was used for another fork.', {
      details: { conversationId },
    });
  }

  /** Throws NOT_FOUND, and CONVERSATION_BUSY where an answer in it is not over. */
  async #branch({ conversationId, messageId }: ForkRequest): Promise<Message[]> {
    const { conversations, jobs } = this.#deps;
    // The records first: what ends in between is found among the messages.
    const live = await jobs.liveOf(conversationId);
    const branch = await conversations.branch(conversationId, messageId);
    const above = branch[0] ? branch[0].parentMessageId : messageId;
    const open = new Set(
      branch.filter(({ status }) => status === 'streaming').map((message) => message.messageId),
    );
    if (above !== null) open.add(above);
    const busy = live.find(({ input }) => open.has(input.responseMessageId));
    if (busy) throw conversationBusy(busy);
    if (branch.length === 0) throw notFound('message');
    return branch;
  }

  /** One after the other: their order is that of the branch, and the last one is there only where all are. */
  async #copy(branch: readonly Message[], conversationId: string): Promise<void> {
    const copyOf = (messageId: string): string => `msg_f${digest([conversationId, messageId])}`;
    let parentMessageId: string | null = null;
    for (const message of branch) {
      const messageId = copyOf(message.messageId);
      const copy = { ...message, messageId, conversationId, parentMessageId };
      const stored = await this.#deps.conversations.upsertMessage(copy, 0);
      if (stored === 'gone') throw notFound('conversation');
      parentMessageId = messageId;
    }
  }
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40);
}
