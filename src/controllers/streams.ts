import type { Request } from 'express';
import { AppError, notFound } from '../errors.ts';
import type { AppContext } from '../http/context.ts';
import { pathParam } from '../http/route.ts';
import type { UserCall } from '../http/route.ts';
import { ID_PATTERN, streamQuerySchema } from '../http/schemas.ts';
import { respondWithStream } from '../http/sse-response.ts';
import { validate } from '../http/validate.ts';
import type { ReadFrom } from '../stream/generations.ts';

type Context = Pick<AppContext, 'config' | 'generations' | 'clock' | 'ids' | 'openStreams'>;

/** Last-Event-ID wins: an EventSource repeats its URL, with the cursor it began with, at every reconnect. */
function readFrom(req: Request): ReadFrom {
  const { after, snapshot } = validate(streamQuerySchema, req.query);
  const cursor = (req.get('last-event-id') ?? '') || (after ?? '');
  if (snapshot && cursor !== '') {
    throw new AppError('INVALID_REQUEST', 'snapshot and a cursor exclude each other.');
  }
  return { cursor: cursor === '' ? undefined : cursor, snapshot };
}

/** Read streams, and see what is live. */
export function createStreamController(ctx: Context) {
  const { generations } = ctx;
  return {
    read: async ({ req, res, owner }: UserCall): Promise<void> => {
      const from = readFrom(req);
      const streamId = pathParam(req, 'streamId');
      if (!ID_PATTERN.test(streamId)) throw notFound('stream');
      res.setHeader('X-Replica-Id', ctx.config.replicaId);
      const place = ctx.openStreams.reserve(owner);
      try {
        const subscribe = () => generations.subscribe(owner, streamId, from);
        await respondWithStream({ res, subscribe, place, ids: ctx.ids, clock: ctx.clock });
      } catch (error) {
        place.release();
        throw error;
      }
    },

    status: async ({ req, res, owner }: UserCall): Promise<void> => {
      const conversationId = pathParam(req, 'conversationId');
      if (!ID_PATTERN.test(conversationId)) throw notFound('conversation');
      res.json(await generations.status(owner, conversationId));
    },

    active: async ({ res, owner }: UserCall): Promise<void> => {
      res.json({ generations: await generations.active(owner) });
    },
  };
}

export type StreamController = ReturnType<typeof createStreamController>;
