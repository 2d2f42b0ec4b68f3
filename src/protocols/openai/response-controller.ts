import { z } from 'zod';
import { AppError, notFound } from '../../errors.ts';
import { readBody } from '../../http/body.ts';
import type { AppContext } from '../../http/context.ts';
import { refuseWhileDraining } from '../../http/draining.ts';
import { askerOf, personOf } from '../../http/person.ts';
import { pathParam, type UserCall } from '../../http/route.ts';
import { AUTO } from '../../stream/generations.ts';
import { ID_PATTERN } from '../../http/schemas.ts';
import { validate } from '../../http/validate.ts';
import { hashOf } from '../../lib/json.ts';
import { createAnswers, idempotencyKey, type Snapshot } from './answers.ts';
import { formatResponseId, parseResponseId, type ResponseRef } from './ids.ts';
import { agentOf } from './models.ts';
import { refuseOthers, RESPONSE_NEUTRAL } from './parameters.ts';
import { invalid } from './refusals.ts';
import { answeredAction } from './response-answers.ts';
import { responseEncoder } from './response-encoder.ts';
import { LOOK, lookSchema, type Look } from './response-look.ts';
import {
  conversationGiven,
  responseBodySchema,
  responseInput,
  type GivenAnswer,
  type ResponseBody,
} from './response-request.ts';
import { responseOf, type ResponseState } from './response-state.ts';

/** Unknown keys are ignored: OpenAI's clients ask for what to include in this way. */
export const responseQuerySchema = z.object({
  stream: z
    .enum(['true', 'false', '1', '0'])
    .optional()
    .transform((text) => text === 'true' || text === '1'),
  starting_after: z
    .string()
    .regex(/^\d{1,9}$/, 'must be the sequence_number of an event')
    .optional()
    .transform((text) => (text === undefined ? undefined : Number(text)))
    .meta({ description: 'Only events with a higher `sequence_number`.' }),
});

const bodySchema = z.record(z.string(), z.unknown());
type Body = z.infer<typeof bodySchema>;

type Context = Pick<
  AppContext,
  'agents' | 'clock' | 'config' | 'generations' | 'ids' | 'isDraining' | 'openStreams' | 'routed'
>;

function urlOf(ref: ResponseRef): string {
  return `/v1/responses/${formatResponseId(ref)}?stream=true`;
}

function snapshotOf(ref: ResponseRef, when: 'end' | 'now'): Snapshot<ResponseState, Body> {
  const { generationId } = ref;
  const encoder = responseEncoder(ref);
  return { encoder, generationId, when, body: responseOf, schema: bodySchema };
}

function unknownPrevious(): AppError {
  return new AppError('NOT_FOUND', 'The previous response does not exist.', {
    details: { param: 'previous_response_id', code: 'previous_response_not_found' },
  });
}

export function createResponseController(ctx: Context) {
  const { config, generations } = ctx;
  const answers = createAnswers(ctx);
  const limits = { ...config.limits, bodyBytes: config.limits.historyBodyBytes };

  const look = (call: UserCall, { generationId }: ResponseRef): Promise<Look> =>
    answers.snapshot(call, {
      encoder: LOOK,
      generationId,
      when: 'now',
      body: (state) => state,
      schema: lookSchema,
    });

  /** The response of the path. The first of a generation is there if the generation is. */
  const find = async (call: UserCall): Promise<ResponseRef> => {
    const ref = parseResponseId(pathParam(call.req, 'id'));
    if (ref.since === 0) return ref;
    const { actions, over } = await look(call, ref);
    if (over || actions.some(({ revision }) => revision >= ref.since)) return ref;
    throw notFound('response');
  };

  const previousOf = async (call: UserCall, id: string): Promise<Look & ResponseRef> => {
    try {
      const ref = parseResponseId(id);
      return { ...ref, ...(await look(call, ref)) };
    } catch (error) {
      if (error instanceof AppError && error.code === 'NOT_FOUND') throw unknownPrevious();
      throw error;
    }
  };

  /** What goes on was frozen at its start: nothing of the request shapes it. */
  const resume = async (
    call: UserCall,
    body: ResponseBody,
    given: GivenAnswer[],
  ): Promise<ResponseRef> => {
    const { previous_response_id: id, model } = body;
    if (!id) throw invalid('previous_response_id', 'Which response is answered?');
    const { generationId, actions, agentId } = await previousOf(call, id);
    if (model && model !== AUTO && model !== agentId) {
      throw invalid('model', `The agent that asked is '${agentId}'.`);
    }
    const { action, verdict } = answeredAction(given, actions);
    const { actionId, revision: since } = action;
    await generations.resume(personOf(call), { generationId, actionId, ...verdict });
    return { generationId, since };
  };

  const start = async (call: UserCall, body: ResponseBody, text: string): Promise<ResponseRef> => {
    const { model, previous_response_id: id, store } = body;
    const conversationId = conversationGiven(body);
    if (conversationId !== undefined && !ID_PATTERN.test(conversationId)) {
      throw notFound('conversation');
    }
    const previous = id ? await previousOf(call, id) : undefined;
    const goesOn = previous && {
      conversationId: previous.conversationId,
      parentMessageId: previous.messageId,
    };
    const { stream: _stream, stream_options: _options, background: _background, ...turn } = body;
    const { generationId } = await generations.start(call.owner, {
      text,
      ...(conversationId !== undefined && { conversationId }),
      ...goesOn,
      ...(model && { agentId: model }),
      ...askerOf(call),
      ...idempotencyKey(call.req),
      temporary: store === false,
      onBusy: 'reject',
      files: [],
      metadata: {},
      bodyHash: hashOf(turn),
    });
    return { generationId, since: 0 };
  };

  return {
    create: async (call: UserCall): Promise<void> => {
      refuseWhileDraining(ctx);
      const body = await readBody(call.req, { schema: responseBodySchema, limits });
      if (body.model) agentOf(ctx, body.model);
      refuseOthers(body, RESPONSE_NEUTRAL);
      const input = responseInput(body, limits);
      const begin = (): Promise<ResponseRef> =>
        input.kind === 'answers'
          ? resume(call, body, input.answers)
          : start(call, body, input.text);
      if (body.stream === true) {
        await answers.stream(call, async () => {
          const ref = await begin();
          const from = { generationId: ref.generationId };
          return { encoder: responseEncoder(ref), from, location: urlOf(ref) };
        });
        return;
      }
      const when = body.background === true ? 'now' : 'end';
      const wanted = async () => {
        const ref = await begin();
        call.res.setHeader('Location', urlOf(ref));
        return snapshotOf(ref, when);
      };
      await answers.whole(call, wanted, (response) => void call.res.json(response));
    },

    /** As it is at this moment, or the stream of it. */
    retrieve: async (call: UserCall): Promise<void> => {
      const query = validate(responseQuerySchema, call.req.query);
      const ref = await find(call);
      if (!query.stream) {
        const wanted = async () => snapshotOf(ref, 'now');
        await answers.whole(call, wanted, (response) => void call.res.json(response));
        return;
      }
      const cursor = call.req.get('last-event-id') ?? '';
      // A client that comes back repeats its URL, with the number that it began with.
      const after = cursor === '' ? query.starting_after : undefined;
      const from = { generationId: ref.generationId, cursor, after };
      const encoder = responseEncoder(ref);
      await answers.stream(call, async () => ({ encoder, from, location: urlOf(ref) }));
    },

    cancel: async (call: UserCall): Promise<void> => {
      const ref = await find(call);
      await generations.abort(call.owner, { generationId: ref.generationId });
      const wanted = async () => snapshotOf(ref, 'end');
      await answers.whole(call, wanted, (response) => void call.res.json(response));
    },
  };
}
