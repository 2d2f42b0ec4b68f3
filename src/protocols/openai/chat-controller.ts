import { z } from 'zod';
import { canWait } from '../../agent/agent-runner.ts';
import { AppError } from '../../errors.ts';
import { readBody } from '../../http/body.ts';
import type { AppContext } from '../../http/context.ts';
import { refuseWhileDraining } from '../../http/draining.ts';
import { askerOf } from '../../http/person.ts';
import { pathParam, type UserCall } from '../../http/route.ts';
import { validate } from '../../http/validate.ts';
import { hashOf } from '../../lib/json.ts';
import type { Started } from '../../stream/generations.ts';
import type { Encoder } from '../encoder.ts';
import { createAnswers, idempotencyKey, type Snapshot } from './answers.ts';
import { chatEncoder, completionOf, REQUIRES_APPROVAL, type ChatState } from './chat-encoder.ts';
import { placeHistory } from './chat-history.ts';
import { chatBodySchema, chatTurn, type ChatBody } from './chat-request.ts';
import { formatCompletionId, parseCompletionId } from './ids.ts';
import { agentOf } from './models.ts';
import { CHAT_NEUTRAL, refuseOthers } from './parameters.ts';
import { requiresApproval } from './refusals.ts';

const flag = z
  .enum(['true', 'false', '1', '0'])
  .optional()
  .transform((text) => text === 'true' || text === '1');

export const completionQuerySchema = z.object({ stream: flag, include_usage: flag });

const wholeSchema = z.object({
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  completion: z.record(z.string(), z.unknown()),
});
type Whole = z.infer<typeof wholeSchema>;

type Context = Pick<
  AppContext,
  | 'agents'
  | 'clock'
  | 'config'
  | 'content'
  | 'conversations'
  | 'generations'
  | 'ids'
  | 'isDraining'
  | 'logger'
  | 'now'
  | 'openStreams'
  | 'routed'
>;

/** Calls `paused` where the generation waits for a person; the frames are the same. */
function watching<S>(encoder: Encoder<S>, paused: () => void): Encoder<S> {
  return {
    initial: encoder.initial,
    encode(state, event) {
      if (event.body.type === 'pending_action') paused();
      return encoder.encode(state, event);
    },
  };
}

function urlOf(generationId: string, includeUsage: boolean): string {
  const path = `/v1/chat/completions/${formatCompletionId(generationId)}?stream=true`;
  return includeUsage ? `${path}&include_usage=true` : path;
}

/** A failed answer is not asked for again by itself: it may have had effects. */
function failed({ code, message }: { code: string; message: string }): AppError {
  if (code === REQUIRES_APPROVAL.code) return requiresApproval(message);
  return new AppError('GENERATION_FAILED', message, {
    details: { code: code.toLowerCase() },
    headers: { 'X-Should-Retry': 'false' },
  });
}

function wholeOf(encoder: Encoder<ChatState>, generationId: string): Snapshot<ChatState, Whole> {
  return { encoder, generationId, when: 'end', body: completionOf, schema: wholeSchema };
}

function sendWhole({ res }: UserCall, { error, completion }: Whole): void {
  if (error) throw failed(error);
  res.json(completion);
}

export function createChatCompletionController(ctx: Context) {
  const { config, generations } = ctx;
  const answers = createAnswers(ctx);
  const limits = { ...config.limits, bodyBytes: config.limits.historyBodyBytes };

  /** A chat completion has no way to ask: its pause is its end. */
  const stop = ({ owner }: UserCall, { generationId }: Started): void => {
    void generations.abort(owner, { generationId }).catch((err: unknown) => {
      ctx.logger.warn({ err, generationId }, 'a paused chat completion was not stopped');
    });
  };

  const start = async (call: UserCall, body: ChatBody): Promise<Started> => {
    const { owner } = call;
    const { model } = body;
    const { text, history } = chatTurn(body, limits);
    const { stream: _stream, stream_options: _options, ...turn } = body;
    const key = idempotencyKey(call.req);
    const bodyHash = hashOf(turn);
    // Of another body under the same key nothing is left behind but what is purged.
    const seed = key && `${key.idempotencyKey} ${bodyHash}`;
    const placed = history.length > 0 && (await placeHistory(ctx, owner, { history, model, seed }));
    try {
      return await generations.start(owner, {
        text,
        ...placed,
        ...key,
        agentId: model,
        ...askerOf(call),
        temporary: true,
        onBusy: 'reject',
        files: [],
        metadata: {},
        bodyHash,
      });
    } catch (error) {
      // With a key it may be the one that a repeat, accepted at the same moment, answers in. It is temporary in any case.
      if (placed && !key) await generations.deleteConversation(owner, placed.conversationId);
      throw error;
    }
  };

  return {
    create: async (call: UserCall): Promise<void> => {
      refuseWhileDraining(ctx);
      const body = await readBody(call.req, { schema: chatBodySchema, limits });
      if (canWait(agentOf(ctx, body.model))) {
        throw requiresApproval(
          `The agent '${body.model}' can wait for a person, which a chat completion can not do; use /v1/responses.`,
        );
      }
      refuseOthers(body, CHAT_NEUTRAL);
      const includeUsage = body.stream_options?.include_usage === true;
      const begin = async () => {
        const started = await start(call, body);
        const encoder = watching(chatEncoder({ includeUsage }), () => stop(call, started));
        return { encoder, generationId: started.generationId };
      };
      if (body.stream !== true) {
        const wanted = async () => {
          const { encoder, generationId } = await begin();
          return wholeOf(encoder, generationId);
        };
        await answers.whole(call, wanted, (value) => sendWhole(call, value));
        return;
      }
      await answers.stream(call, async () => {
        const { encoder, generationId } = await begin();
        return { encoder, from: { generationId }, location: urlOf(generationId, includeUsage) };
      });
    },

    /** The way back to a stream that was cut, or the completion once it is there. */
    retrieve: async (call: UserCall): Promise<void> => {
      const generationId = parseCompletionId(pathParam(call.req, 'id'));
      const query = validate(completionQuerySchema, call.req.query);
      const includeUsage = query.include_usage;
      const encoder = chatEncoder({ includeUsage });
      if (!query.stream) {
        const wanted = async () => wholeOf(encoder, generationId);
        await answers.whole(call, wanted, (value) => sendWhole(call, value));
        return;
      }
      const from = { generationId, cursor: call.req.get('last-event-id') };
      const location = urlOf(generationId, includeUsage);
      await answers.stream(call, async () => ({ encoder, from, location }));
    },
  };
}
