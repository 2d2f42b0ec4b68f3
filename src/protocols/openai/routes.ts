import { z } from 'zod';
import type { AppContext } from '../../http/context.ts';
import type { Answer, Route, RouteDoc } from '../../http/route.ts';
import { completionQuerySchema, createChatCompletionController } from './chat-controller.ts';
import { chatBodySchema } from './chat-request.ts';
import { createModelController, modelListSchema, modelSchema } from './models.ts';
import { REFUSALS } from './refusals.ts';
import { createResponseController, responseQuerySchema } from './response-controller.ts';
import { responseBodySchema } from './response-request.ts';

/** `/v1`: chat completions, responses and models, for clients of OpenAI (docs/PROTOCOL.md section 10). */

const kind = { access: 'user', tag: 'openai', refusals: REFUSALS } as const;

const KEY = { 'Idempotency-Key': 'Makes the call idempotent.' };
const CURSOR = { 'Last-Event-ID': 'The id of the last frame that the client has.' };

const ANSWER: Answer = {
  about:
    'The answer; with `stream` frames of `id`, `event` and `data` as text/event-stream, which the GET of `Location` continues.',
  body: z.record(z.string(), z.unknown()).meta({ description: "The object of OpenAI's API." }),
  headers: ['Location', 'X-Generation-Id'],
};

const FAILS: NonNullable<RouteDoc['errors']> = [
  'NOT_FOUND',
  'AGENT_REQUIRES_APPROVAL',
  'IDEMPOTENCY_CONFLICT',
  'TOO_MANY_GENERATIONS',
  'TOO_MANY_STREAMS',
];

function chatRoutes(ctx: AppContext): Route[] {
  const chat = createChatCompletionController(ctx);
  return [
    {
      ...kind,
      method: 'post',
      path: '/v1/chat/completions',
      handle: chat.create,
      doc: {
        summary: 'Answer messages',
        description:
          'Stateless: the messages are the history. Agents that can wait for a person are refused.',
        body: chatBodySchema,
        headers: KEY,
        answers: { 200: ANSWER },
        errors: [...FAILS, 'GENERATION_FAILED'],
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/v1/chat/completions/:id',
      handle: chat.retrieve,
      doc: {
        summary: 'A chat completion, once it is complete, or its stream',
        query: completionQuerySchema,
        headers: CURSOR,
        answers: { 200: ANSWER },
        errors: ['NOT_FOUND', 'TOO_MANY_STREAMS', 'AGENT_REQUIRES_APPROVAL', 'GENERATION_FAILED'],
      },
    },
  ];
}

function responseRoutes(ctx: AppContext): Route[] {
  const responses = createResponseController(ctx);
  return [
    {
      ...kind,
      method: 'post',
      path: '/v1/responses',
      handle: responses.create,
      doc: {
        summary: 'Start a response, or answer what one waits for',
        description:
          'A response that waits for a person is `incomplete` and says in its output what for; the answer is sent with `previous_response_id`.',
        body: responseBodySchema,
        headers: KEY,
        answers: { 200: ANSWER },
        errors: [
          ...FAILS,
          'FORBIDDEN',
          'UNDECIDED',
          'UNKNOWN_TOOL_CALL',
          'DUPLICATE_DECISION',
          'INCOMPLETE_DECISION',
          'DECISION_NOT_ALLOWED',
          'CONVERSATION_BUSY',
          'STALE_ACTION',
          'NO_PENDING_ACTION',
          'ACTION_ALREADY_RESOLVED',
          'AGENT_CHANGED',
          'ACTION_EXPIRED',
        ],
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/v1/responses/:id',
      handle: responses.retrieve,
      doc: {
        summary: 'A response as it is, or its stream',
        query: responseQuerySchema,
        headers: CURSOR,
        answers: { 200: ANSWER },
        errors: ['NOT_FOUND', 'TOO_MANY_STREAMS'],
      },
    },
    {
      ...kind,
      method: 'post',
      path: '/v1/responses/:id/cancel',
      handle: responses.cancel,
      doc: {
        summary: 'Stop a response',
        description: 'Idempotent; one that is over is answered as it is.',
        answers: { 200: ANSWER },
        errors: ['NOT_FOUND', 'TOO_MANY_STREAMS'],
      },
    },
  ];
}

function modelRoutes(ctx: AppContext): Route[] {
  const models = createModelController(ctx);
  return [
    {
      ...kind,
      method: 'get',
      path: '/v1/models',
      handle: models.list,
      doc: {
        summary: 'The agents',
        answers: { 200: { about: 'The default one first.', body: modelListSchema } },
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/v1/models/:model',
      handle: models.get,
      doc: {
        summary: 'An agent',
        answers: { 200: { about: 'It is there.', body: modelSchema } },
        errors: ['NOT_FOUND'],
      },
    },
  ];
}

export function openaiRoutes(ctx: AppContext): Route[] {
  return [...chatRoutes(ctx), ...responseRoutes(ctx), ...modelRoutes(ctx)];
}
