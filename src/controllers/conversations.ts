import type { Request } from 'express';
import { AppError, notFound } from '../errors.ts';
import { readBody } from '../http/body.ts';
import type { AppContext } from '../http/context.ts';
import { pageOf } from '../http/page.ts';
import { pathParam } from '../http/route.ts';
import type { UserCall } from '../http/route.ts';
import { idempotencyKeyOf } from '../http/idempotency-key.ts';
import { forkSchema, ID_PATTERN, messageQuerySchema, titleSchema } from '../http/schemas.ts';
import { validate } from '../http/validate.ts';
import { branchPage } from '../stream/branch.ts';
import { publicConversation, type ConversationRecord } from '../stream/conversation-store.ts';
import type { Owner } from '../stream/job.ts';

type Context = Pick<AppContext, 'config' | 'content' | 'conversations' | 'generations' | 'now'>;

/** Conversations and their messages. */
export function createConversationController(ctx: Context) {
  const { conversations, generations, now } = ctx;
  const { limits } = ctx.config;

  /** The caller's conversation of this path; what is missing, foreign or past its time looks the same. */
  const own = async (req: Request, owner: Owner): Promise<ConversationRecord> => {
    const id = pathParam(req, 'id');
    const record = ID_PATTERN.test(id) ? await conversations.get(id) : undefined;
    const mine = record?.owner.tenantId === owner.tenantId && record.owner.userId === owner.userId;
    const kept = record !== undefined && (record.purgeAt ?? Infinity) > (await now());
    if (!mine || !kept) throw notFound('conversation');
    return record;
  };

  return {
    list: async ({ req, res, owner }: UserCall): Promise<void> => {
      res.json(await conversations.list(owner, pageOf(req)));
    },

    get: async ({ req, res, owner }: UserCall): Promise<void> => {
      res.json(publicConversation(await own(req, owner)));
    },

    messages: async ({ req, res, owner }: UserCall): Promise<void> => {
      const page = pageOf(req);
      const { leaf, through } = validate(messageQuerySchema, req.query);
      if (leaf !== undefined && through !== undefined) {
        throw new AppError('INVALID_REQUEST', 'Give `leaf` or `through`, not both.');
      }
      const { conversationId } = await own(req, owner);
      if (leaf === undefined && through === undefined) {
        res.json(await conversations.messages(conversationId, page));
        return;
      }
      const live = await generations.liveAnswers(conversationId);
      const branch = { conversationId, leaf: leaf === 'latest' ? undefined : leaf, through, live };
      res.json(await branchPage(conversations, branch, page));
    },

    fork: async ({ req, res, owner }: UserCall): Promise<void> => {
      const idempotencyKey = idempotencyKeyOf(req);
      const { messageId } = await readBody(req, { schema: forkSchema, limits });
      const { conversationId } = await own(req, owner);
      const fork = await generations.fork(owner, {
        conversationId,
        messageId,
        ...(idempotencyKey !== undefined && { idempotencyKey }),
      });
      res.setHeader('Location', `/api/conversations/${encodeURIComponent(fork.conversationId)}`);
      res.status(201).json(fork);
    },

    rename: async ({ req, res, owner }: UserCall): Promise<void> => {
      const { title } = await readBody(req, { schema: titleSchema, limits });
      const { conversationId } = await own(req, owner);
      const kept = await ctx.content.title(owner, title);
      const record = await conversations.setTitle(conversationId, kept, 'user');
      if (record === undefined) throw notFound('conversation');
      res.json(publicConversation(record));
    },

    remove: async ({ req, res, owner }: UserCall): Promise<void> => {
      const { conversationId } = await own(req, owner);
      await generations.deleteConversation(owner, conversationId);
      res.status(204).end();
    },
  };
}

export type ConversationController = ReturnType<typeof createConversationController>;
