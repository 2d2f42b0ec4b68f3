import type { Request } from 'express';
import { z } from 'zod';
import { AppError, notFound } from '../../errors.ts';
import { readBody } from '../../http/body.ts';
import type { AppContext } from '../../http/context.ts';
import { askerOf, personOf } from '../../http/person.ts';
import { pathParam } from '../../http/route.ts';
import type { UserCall } from '../../http/route.ts';
import { ID_PATTERN } from '../../http/schemas.ts';
import { respondWithStream } from '../../http/sse-response.ts';
import { validate } from '../../http/validate.ts';
import type { LogEvent } from '../../stream/events.ts';
import type { ConversationStatus } from '../../stream/generations.ts';
import type { Owner } from '../../stream/job.ts';
import { sameOwner } from '../../stream/owned.ts';
import { conversationOf } from '../conversation-id.ts';
import { type EncodedFrom, subscribeEncoded } from '../encoded-stream.ts';
import { storedFiles } from '../given-files.ts';
import { parseFrameCursor } from '../frame-cursor.ts';
import { answerOf, type Pending } from './answer.ts';
import { aiSdkEncoder } from './encoder.ts';
import {
  type ChatBody,
  chatBodySchema,
  chatIdSchema,
  type GivenMessage,
  type UserMessage,
  type Wanted,
  wantedBy,
} from './request.ts';
import { askingCall, resultOfPart } from './tool-parts.ts';
import { turnFor } from './turns.ts';
import { type UiMessage, uiMessageOf } from './ui-messages.ts';

type Context = Pick<
  AppContext,
  'config' | 'generations' | 'conversations' | 'files' | 'clock' | 'now' | 'ids' | 'openStreams'
>;

export const streamQuerySchema = z.object({
  generationId: z
    .string()
    .regex(ID_PATTERN)
    .optional()
    .meta({ description: 'This generation, also when it is over; else the one that is live.' }),
});

/** The chat of this path, if it can be one. */
function chatIdIn(req: Request): string {
  const id = chatIdSchema.safeParse(pathParam(req, 'id'));
  if (!id.success) throw notFound('conversation');
  return id.data;
}

function streamUrl(chatId: string, generationId: string): string {
  const query = `generationId=${encodeURIComponent(generationId)}`;
  return `/ai-sdk/chat/${encodeURIComponent(chatId)}/stream?${query}`;
}

function isNotFound(error: unknown): boolean {
  return error instanceof AppError && error.code === 'NOT_FOUND';
}

/** The routes of the AI SDK's transport (docs/PROTOCOL.md section 10). */
export function createAiSdkController(ctx: Context) {
  const { generations, conversations, config } = ctx;
  const { limits } = config;
  const bodyLimits = { ...limits, bodyBytes: limits.historyBodyBytes };

  const conversationIn = ({ req, owner }: UserCall): Promise<string> =>
    conversationOf(conversations, owner, chatIdIn(req));

  const respond = async (
    { res, owner }: UserCall,
    { chatId, ...from }: EncodedFrom & { chatId: string },
    place = ctx.openStreams.reserve(owner),
  ): Promise<void> => {
    try {
      res.setHeader('x-vercel-ai-ui-message-stream', 'v1');
      res.setHeader('X-Generation-Id', from.generationId);
      res.setHeader('Location', streamUrl(chatId, from.generationId));
      const subscribe = () => subscribeEncoded(generations, { owner, encoder: aiSdkEncoder }, from);
      await respondWithStream({ res, subscribe, place, ids: ctx.ids, clock: ctx.clock });
    } catch (error) {
      place.release();
      throw error;
    }
  };

  /** What the conversation waits for. Throws NOT_FOUND. */
  const pendingIn = async (owner: Owner, conversationId: string): Promise<Pending | undefined> => {
    const { generation } = await generations.status(owner, conversationId);
    const action = generation?.pendingAction;
    if (!action) return undefined;
    const calls = generation.state.message.content.filter((part) => part.type === 'tool_call');
    const toolCallId = askingCall(
      action,
      calls.filter((part) => !resultOfPart(part)),
    );
    return { action, toolCallId };
  };

  /** The message with its bytes as files of the user's. */
  const stored = async (
    owner: Owner,
    conversationId: string,
    { files: given, ...message }: GivenMessage,
  ): Promise<UserMessage> => {
    const turn = `ai-sdk/${conversationId}/${message.id}`;
    return { ...message, files: await storedFiles(ctx.files, owner, { turn, given }) };
  };

  /** Starts or resumes; the answer's stream begins where the client's message ends. */
  const begin = async (
    call: UserCall,
    { conversationId, body, wanted }: { conversationId: string; body: ChatBody; wanted: Wanted },
  ): Promise<EncodedFrom> => {
    const { owner } = call;
    if (wanted.kind !== 'answer') {
      const { user } = wanted;
      const turn = await turnFor(
        ctx,
        { owner, conversationId, body },
        wanted.kind === 'turn'
          ? { ...wanted, user: await stored(owner, conversationId, wanted.user) }
          : { ...wanted, user: user && (await stored(owner, conversationId, user)) },
      );
      return turn.kind === 'start'
        ? generations.start(owner, { ...turn.request, ...askerOf(call) })
        : generations.again(owner, turn.request);
    }
    const answer = answerOf(wanted, await pendingIn(owner, conversationId), conversationId);
    const { generationId } = await generations.resume(personOf(call), answer);
    const isAnswered = ({ body: event }: LogEvent): boolean =>
      event.type === 'action_resolved' && event.actionId === answer.actionId;
    return { generationId, begin: isAnswered };
  };

  /** The live generation; else, for who has a cursor of it, the last one. */
  const meant = async (
    owner: Owner,
    conversationId: string,
    cursor: string | undefined,
  ): Promise<string | undefined> => {
    const live = (await generations.active(owner)).filter(
      (it) => it.conversationId === conversationId,
    );
    const now = live.find(({ status }) => status !== 'queued') ?? live[0];
    if (now || cursor === undefined) return now?.generationId;
    const last = await lastGeneration(owner, conversationId);
    return last !== undefined && parseFrameCursor(last, cursor) ? last : undefined;
  };

  const lastGeneration = async (
    owner: Owner,
    conversationId: string,
  ): Promise<string | undefined> => {
    try {
      return (await generations.status(owner, conversationId)).generation?.generationId;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };

  const refuseForeign = async (owner: Owner, conversationId: string): Promise<void> => {
    const record = await conversations.get(conversationId);
    const kept = record !== undefined && (record.purgeAt ?? Infinity) > (await ctx.now());
    if (!kept || !sameOwner(record.owner, owner)) throw notFound('conversation');
  };

  const finished = async (conversationId: string): Promise<UiMessage[]> => {
    const last = await conversations.lastMessage(conversationId);
    const branch = last ? await conversations.branch(conversationId, last.messageId) : [];
    return branch.filter(({ status }) => status !== 'streaming').map((it) => uiMessageOf(it));
  };

  /** The newest branch; an answer that is being made is left to its stream, one that waits can be answered. */
  const messagesOf = async (
    conversationId: string,
    { active, generation }: ConversationStatus,
  ): Promise<UiMessage[]> => {
    if (!active || !generation) return finished(conversationId);
    const { message } = generation.state;
    const before = await conversations.branch(conversationId, message.parentMessageId ?? '');
    const waits = generation.pendingAction;
    return [
      ...before.map((it) => uiMessageOf(it)),
      ...(waits ? [uiMessageOf(message, waits)] : []),
    ];
  };

  return {
    chat: async (call: UserCall): Promise<void> => {
      const { req, owner } = call;
      const body = await readBody(req, { schema: chatBodySchema, limits: bodyLimits });
      const wanted = wantedBy(body, limits);
      // The place comes first: a call that is refused must not have started anything.
      const place = ctx.openStreams.reserve(owner);
      try {
        const conversationId = await conversationOf(conversations, owner, body.id);
        const from = await begin(call, { conversationId, body, wanted });
        await respond(call, { chatId: body.id, ...from }, place);
      } catch (error) {
        place.release();
        throw error;
      }
    },

    stream: async (call: UserCall): Promise<void> => {
      const { req, res, owner } = call;
      const chatId = chatIdIn(req);
      const given = validate(streamQuerySchema, req.query).generationId;
      const cursor = req.get('last-event-id') || undefined;
      const generationId = given ?? (await meant(owner, await conversationIn(call), cursor));
      if (generationId === undefined) {
        res.status(204).end();
        return;
      }
      await respond(call, { chatId, generationId, cursor });
    },

    stop: async (call: UserCall): Promise<void> => {
      const conversationId = await conversationIn(call);
      call.res.json(await generations.abort(call.owner, { conversationId }));
    },

    messages: async (call: UserCall): Promise<void> => {
      const conversationId = await conversationIn(call);
      await refuseForeign(call.owner, conversationId);
      const status = await generations.status(call.owner, conversationId);
      call.res.json(await messagesOf(conversationId, status));
    },
  };
}

export type AiSdkController = ReturnType<typeof createAiSdkController>;
