import type { Request } from 'express';
import type { z } from 'zod';
import { AppError, notFound, unavailable } from '../../errors.ts';
import type { AppContext } from '../../http/context.ts';
import type { UserCall } from '../../http/route.ts';
import { ID_PATTERN } from '../../http/schemas.ts';
import { respondWithStream } from '../../http/sse-response.ts';
import type { Subscribed } from '../../stream/generations.ts';
import type { Owner } from '../../stream/job.ts';
import { collect } from '../collect.ts';
import { subscribeEncoded, type EncodedFrom } from '../encoded-stream.ts';
import type { Encoder } from '../encoder.ts';
import { readSnapshot, snapshotOf } from './snapshot.ts';

export interface Streamed<S> {
  encoder: Encoder<S>;
  from: EncodedFrom;
  /** The GET that goes on behind the frame of its `Last-Event-ID`. */
  location: string;
}

export interface Snapshot<S, T> {
  encoder: Encoder<S>;
  generationId: string;
  /** `end`: where it may end. `now`: what there is. */
  when: 'end' | 'now';
  body: (state: S) => unknown;
  schema: z.ZodType<T>;
}

/** How the calls of this protocol are answered: with a stream, or with what it comes to. */
export function createAnswers(
  ctx: Pick<AppContext, 'generations' | 'clock' | 'ids' | 'openStreams'>,
) {
  const { generations, clock, ids, openStreams } = ctx;

  /** What can't be read is no response, whatever we call it. */
  const subscribed = async <S>(
    who: { owner: Owner; encoder: Encoder<S> },
    from: EncodedFrom,
  ): Promise<Subscribed> => {
    try {
      return await subscribeEncoded(generations, who, from);
    } catch (error) {
      if (error instanceof AppError && error.code === 'NOT_FOUND') throw notFound('response');
      throw error;
    }
  };

  const snapshot = <S, T>(
    { owner }: Pick<UserCall, 'owner'>,
    { encoder, generationId, when, body, schema }: Snapshot<S, T>,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<T> => {
    const who = { owner, encoder: snapshotOf(encoder, { when, body }) };
    const subscribe = () => subscribed(who, { generationId });
    return collect(subscribe, { signal }).then((text) => readSnapshot(text, schema));
  };

  return {
    /** What a generation comes to; does not wait for a person or a client. */
    snapshot,

    /** `begin` says what is streamed. The place comes first: a call that is refused must not have started anything. */
    async stream<S>({ res, owner }: UserCall, begin: () => Promise<Streamed<S>>): Promise<void> {
      const place = openStreams.reserve(owner);
      try {
        const { encoder, from, location } = await begin();
        res.setHeader('Location', location);
        res.setHeader('X-Generation-Id', from.generationId);
        const subscribe = () => subscribed({ owner, encoder }, from);
        await respondWithStream({ res, subscribe, place, ids, clock });
      } catch (error) {
        place.release();
        throw error;
      }
    },

    /**
     * Waits for what `begin` started, and hands it to `answer`. It takes the place of a stream, and is cut like one
     * at shutdown; whoever leaves meanwhile is not answered, and what was started goes on.
     */
    async whole<S, T>(
      call: UserCall,
      begin: () => Promise<Snapshot<S, T>>,
      answer: (value: T) => void,
    ): Promise<void> {
      const { res, owner } = call;
      const place = openStreams.reserve(owner);
      const leaving = new AbortController();
      const left = (): void => leaving.abort();
      res.once('close', left);
      if (res.closed) left();
      const destroy = (): void => leaving.abort(unavailable(new Error('this server is stopping')));
      place.attach({ heartbeat: () => {}, destroy });
      try {
        const wanted = await begin();
        res.setHeader('X-Generation-Id', wanted.generationId);
        const value = await snapshot(call, wanted, leaving.signal);
        answer(value);
      } catch (error) {
        const gone = leaving.signal.aborted && !(leaving.signal.reason instanceof AppError);
        if (!gone) throw error;
      } finally {
        res.off('close', left);
        place.release();
      }
    },
  };
}

export type Answers = ReturnType<typeof createAnswers>;

export function idempotencyKey(req: Request): { idempotencyKey: string } | undefined {
  const key = req.get('idempotency-key');
  if (key === undefined) return undefined;
  if (ID_PATTERN.test(key)) return { idempotencyKey: key };
  throw new AppError(
    'INVALID_REQUEST',
    'Idempotency-Key must be 1 to 128 of A-Z a-z 0-9 _ . : -.',
    { details: { param: 'Idempotency-Key' } },
  );
}
