import { createHash } from 'node:crypto';
import { notFound } from '../../errors.ts';
import type { AppContext } from '../../http/context.ts';
import type { Owner } from '../../stream/job.ts';
import type { Message } from '../../stream/message.ts';
import type { Said } from './chat-request.ts';

type Context = Pick<AppContext, 'content' | 'conversations' | 'now' | 'ids' | 'config'>;

/** Writes at a time: a history is many small ones. */
const AT_ONCE = 20;

export interface Placed {
  conversationId: string;
  /** The last message of the history, which the turn follows. */
  parentMessageId: string;
}

/**
 * Makes a temporary conversation of what a client says was said before. With a `seed` the same one again: a repeated
 * request finds what the first one made.
 */
export async function placeHistory(
  { content, conversations, now, ids, config }: Context,
  owner: Owner,
  { history, model, seed }: { history: Said[]; model: string; seed: string | undefined },
): Promise<Placed> {
  const said = await admitted(content, owner, history);
  const conversationId = seed === undefined ? ids.sortable('conv') : seeded(owner, seed);
  const at = await now();
  const createdAt = new Date(at).toISOString();
  const made = await conversations.ensure({
    conversationId,
    owner: { tenantId: owner.tenantId, userId: owner.userId },
    title: null,
    temporary: true,
    createdAt,
    updatedAt: createdAt,
    purgeAt: at + config.stream.temporaryTtlMs,
  });
  if (!made) throw notFound('conversation');
  const messages = said.map(({ role, content }, index): Message => ({
    messageId: messageId(conversationId, index),
    conversationId,
    parentMessageId: index === 0 ? null : messageId(conversationId, index - 1),
    role,
    content,
    status: 'complete',
    agentId: model,
    model,
    // In their order, and before the turn.
    createdAt: new Date(at - history.length + index).toISOString(),
  }));
  for (let first = 0; first < messages.length; first += AT_ONCE) {
    const some = messages.slice(first, first + AT_ONCE);
    await Promise.all(some.map((message) => conversations.upsertMessage(message, 0)));
  }
  return { conversationId, parentMessageId: messageId(conversationId, history.length - 1) };
}

/** What the user said, as it may be kept and shown to a model. */
async function admitted(
  content: Context['content'],
  owner: Owner,
  history: Said[],
): Promise<Said[]> {
  const words = history.flatMap(({ role, content: parts }) =>
    role === 'user' ? parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])) : [],
  );
  const kept = await content.history(owner, words);
  return history.map(({ role, content: parts }) => {
    if (role !== 'user') return { role, content: parts };
    return {
      role,
      content: parts.map((part) => {
        return part.type === 'text' ? { ...part, text: kept.shift() ?? '' } : part;
      }),
    };
  });
}

function seeded({ tenantId, userId }: Owner, seed: string): string {
  const text = JSON.stringify([tenantId, userId, 'chat completion', seed]);
  return `conv_x${createHash('sha256').update(text).digest('hex').slice(0, 40)}`;
}

function messageId(conversationId: string, index: number): string {
  return `msg_${conversationId.slice('conv_'.length)}_${index}`;
}
