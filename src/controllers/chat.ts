import type { Request } from 'express';
import { AppError } from '../errors.ts';
import { readBody } from '../http/body.ts';
import { refuseWhileDraining } from '../http/draining.ts';
import { askerOf, personOf } from '../http/person.ts';
import type { AppContext } from '../http/context.ts';
import type { UserCall } from '../http/route.ts';
import { idempotencyKeyOf } from '../http/idempotency-key.ts';
import { abortSchema, againSchema, chatSchema, resumeSchema } from '../http/schemas.ts';
import type { AgainBody, ChatBody } from '../http/schemas.ts';
import { respondWithStream } from '../http/sse-response.ts';
import { hashOf } from '../lib/json.ts';
import type { AgainRequest, StartRequest, Started } from '../stream/generations.ts';

type Context = Pick<
  AppContext,
  'config' | 'generations' | 'clock' | 'ids' | 'openStreams' | 'isDraining'
>;

function idempotencyKey(req: Request, messageId: string | undefined): string | undefined {
  const key = idempotencyKeyOf(req);
  if (key !== undefined && messageId !== undefined && messageId !== key) {
    throw new AppError('INVALID_REQUEST', 'Idempotency-Key and messageId differ.');
  }
  return key;
}

function toStartRequest({ req, identity }: UserCall, body: ChatBody): StartRequest {
  // Without messageId too: it is the key itself, which may come in the header or in the body.
  const { conversationId: _conversation, messageId, ...rest } = body;
  const key = idempotencyKey(req, messageId);
  return {
    ...body,
    ...askerOf({ req, identity }),
    ...(key === undefined ? {} : { idempotencyKey: key }),
    bodyHash: hashOf(rest),
  };
}

function toAgainRequest(
  { req, identity }: UserCall,
  kind: AgainRequest['kind'],
  body: AgainBody,
): AgainRequest {
  const { messageId: target, conversationId, ...rest } = body;
  const idempotencyKey = idempotencyKeyOf(req);
  return {
    ...rest,
    ...askerOf({ req, identity }),
    kind,
    conversationId,
    target,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    bodyHash: hashOf({ kind, target, ...rest }),
  };
}

function wantsStream(req: Request): boolean {
  return req.accepts(['application/json', 'text/event-stream']) === 'text/event-stream';
}

function streamUrl(streamId: string): string {
  return `/api/chat/stream/${encodeURIComponent(streamId)}`;
}

function announce(call: UserCall, started: Started): void {
  call.res.setHeader('Location', streamUrl(started.streamId));
  call.res.setHeader('X-Generation-Id', started.generationId);
}

/** Start, resume and stop a generation. */
export function createChatController(ctx: Context) {
  const { generations, config } = ctx;
  const { limits } = config;
  const startSchema = chatSchema(limits);

  const startAndStream = async (call: UserCall, start: () => Promise<Started>): Promise<void> => {
    const { res, owner } = call;
    // The place comes first: a call that is refused must not have started anything.
    const place = ctx.openStreams.reserve(owner);
    try {
      const started = await start();
      announce(call, started);
      const from = { cursor: undefined, snapshot: false };
      const subscribe = () => generations.subscribe(owner, started.streamId, from);
      await respondWithStream({ res, subscribe, place, ids: ctx.ids, clock: ctx.clock });
    } catch (error) {
      place.release();
      throw error;
    }
  };

  const answer = async (call: UserCall, start: () => Promise<Started>): Promise<void> => {
    const { req, res } = call;
    res.vary('Accept');
    if (wantsStream(req)) return startAndStream(call, start);
    const started = await start();
    announce(call, started);
    res.status(202).json(started);
  };

  const again =
    (kind: AgainRequest['kind']) =>
    async (call: UserCall): Promise<void> => {
      refuseWhileDraining(ctx);
      const body = await readBody(call.req, { schema: againSchema, limits });
      const request = toAgainRequest(call, kind, body);
      return answer(call, () => generations.again(call.owner, request));
    };

  return {
    start: async (call: UserCall): Promise<void> => {
      refuseWhileDraining(ctx);
      const { req, owner } = call;
      const request = toStartRequest(call, await readBody(req, { schema: startSchema, limits }));
      return answer(call, () => generations.start(owner, request));
    },

    regenerate: again('regenerate'),
    continue: again('continue'),

    resume: async (call: UserCall): Promise<void> => {
      refuseWhileDraining(ctx);
      const { req, res } = call;
      const request = await readBody(req, { schema: resumeSchema, limits });
      const { repeated, ...resumed } = await generations.resume(personOf(call), request);
      res.setHeader('X-Generation-Id', resumed.generationId);
      res.setHeader('Location', streamUrl(resumed.streamId));
      res.status(repeated ? 200 : 202).json(resumed);
    },

    abort: async ({ req, res, owner }: UserCall): Promise<void> => {
      const target = await readBody(req, { schema: abortSchema, limits });
      res.json(await generations.abort(owner, target));
    },
  };
}

export type ChatController = ReturnType<typeof createChatController>;
