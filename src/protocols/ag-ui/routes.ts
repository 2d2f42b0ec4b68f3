import { z } from 'zod';
import { ANSWER_REFUSALS } from '../../errors.ts';
import type { AppContext } from '../../http/context.ts';
import type { Answer, Route, RouteDoc } from '../../http/route.ts';
import { abortedSchema } from '../../http/schemas.ts';
import { createAgUiController } from './controller.ts';
import { infoSchema } from './info.ts';
import { runInputSchema, runQuerySchema, threadSchema } from './run-input.ts';

const kind = { access: 'user', tag: 'ag-ui' } as const;

const STREAM: Answer = {
  about: 'AG-UI events: comments, and frames of `id` and `data`.',
  body: { contentType: 'text/event-stream' },
  headers: ['Location', 'X-Generation-Id'],
};

const RUN: RouteDoc = {
  summary: 'Run an agent, or answer its interrupts',
  description:
    'RunAgentInput of AG-UI 1.0. `runId` makes a turn idempotent; history and state are ours, and client-side tools are ignored.',
  body: runInputSchema,
  headers: { 'Last-Event-ID': 'Of the same request before: goes on behind that frame.' },
  answers: { 200: STREAM },
  errors: [
    'NOT_FOUND',
    'CONVERSATION_BUSY',
    'IDEMPOTENCY_CONFLICT',
    'TOO_MANY_GENERATIONS',
    'TOO_MANY_STREAMS',
    ...ANSWER_REFUSALS,
  ],
};

const CONNECT: RouteDoc = {
  summary: 'Come back to a thread',
  description:
    'A snapshot of the messages before the last turn, then that turn, live where it still runs. Nothing where the thread is not known.',
  body: threadSchema,
  answers: { 200: STREAM },
  errors: ['NOT_FOUND', 'TOO_MANY_STREAMS'],
};

const STOP: RouteDoc = {
  summary: 'Stop what runs in a thread',
  description: 'Idempotent. Leaving a stream stops nothing.',
  answers: {
    200: {
      about: 'Stopped, or it had ended before.',
      body: abortedSchema.extend({ threadId: z.string(), stopped: z.boolean() }),
    },
  },
  errors: ['NOT_FOUND'],
};

export function agUiRoutes(ctx: AppContext): Route[] {
  const controller = createAgUiController(ctx);
  const { run, connect, stop, stopThread } = controller;
  const agent = '/ag-ui/agent/:agentId';
  return [
    { ...kind, method: 'post', path: '/ag-ui', handle: run, doc: RUN },
    { ...kind, method: 'post', path: '/ag-ui/connect', handle: connect, doc: CONNECT },
    {
      ...kind,
      method: 'post',
      path: '/ag-ui/stop',
      handle: stop,
      doc: { ...STOP, body: threadSchema },
    },
    {
      ...kind,
      method: 'get',
      path: '/ag-ui/runs/:generationId',
      handle: controller.read,
      doc: {
        summary: "Go on with a run's stream",
        description: 'As `Location` of a run names it. Without a cursor from the beginning.',
        query: runQuerySchema,
        headers: { 'Last-Event-ID': 'The last frame that the client has.' },
        answers: { 200: STREAM },
        errors: ['NOT_FOUND', 'TOO_MANY_STREAMS'],
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/ag-ui/info',
      handle: controller.info,
      doc: {
        summary: 'The agents, as CopilotKit asks for them',
        answers: { 200: { about: 'Its RuntimeInfo.', body: infoSchema } },
      },
    },
    { ...kind, method: 'post', path: `${agent}/run`, handle: run, doc: RUN },
    { ...kind, method: 'post', path: `${agent}/connect`, handle: connect, doc: CONNECT },
    { ...kind, method: 'post', path: `${agent}/stop/:threadId`, handle: stopThread, doc: STOP },
  ];
}
