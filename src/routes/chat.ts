import { ANSWER_REFUSALS } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import type { ChatController } from '../controllers/chat.ts';
import type { StreamController } from '../controllers/streams.ts';
import type { Answer, Route, RouteDoc } from '../http/route.ts';
import {
  abortedSchema,
  abortSchema,
  againSchema,
  activeSchema,
  chatSchema,
  resumedSchema,
  resumeSchema,
  startedSchema,
  statusSchema,
  streamQuerySchema,
} from '../http/schemas.ts';

const kind = { access: 'user', tag: 'chat' } as const;
const STREAM: Answer = {
  about: 'The stream: comments, and frames of `id`, `event` and `data`.',
  body: { contentType: 'text/event-stream' },
  headers: ['Location', 'X-Generation-Id'],
};

const STARTED: Record<number, Answer> = {
  200: STREAM,
  202: {
    about: 'Accepted: the stream can be read from now on.',
    body: startedSchema,
    headers: ['Location', 'X-Generation-Id'],
  },
  204: { about: 'A stream was asked for that has nothing to say.' },
};
const AGAIN: Pick<RouteDoc, 'body' | 'headers' | 'answers'> = {
  body: againSchema,
  headers: {
    'Idempotency-Key': 'Makes the call idempotent.',
    Accept: 'text/event-stream: the answer is the stream itself.',
  },
  answers: STARTED,
};
const START_REFUSALS: ErrorCode[] = [
  'NOT_FOUND',
  'CONVERSATION_BUSY',
  'IDEMPOTENCY_CONFLICT',
  'BUDGET_EXCEEDED',
  'CONTENT_REFUSED',
  'TOO_MANY_GENERATIONS',
  'TOO_MANY_STREAMS',
];

interface Deps {
  chat: ChatController;
  streams: StreamController;
  limits: { textChars: number };
}

export function chatRoutes({ chat, streams, limits }: Deps): Route[] {
  return [
    {
      ...kind,
      method: 'post',
      path: '/api/chat',
      handle: chat.start,
      doc: {
        summary: 'Start a generation',
        description:
          'Answered before any model work. The same key by the same user attaches to the first generation.',
        body: chatSchema(limits),
        headers: {
          'Idempotency-Key': 'Makes the call idempotent; or messageId in the body.',
          Accept: 'text/event-stream: the answer is the stream itself.',
        },
        answers: STARTED,
        errors: START_REFUSALS,
      },
    },
    {
      ...kind,
      method: 'post',
      path: '/api/chat/regenerate',
      handle: chat.regenerate,
      doc: {
        summary: 'Make an answer again',
        description: 'Another answer to the same message of the user, beside the first.',
        ...AGAIN,
        errors: START_REFUSALS,
      },
    },
    {
      ...kind,
      method: 'post',
      path: '/api/chat/continue',
      handle: chat.continue,
      doc: {
        summary: 'Go on with an unfinished answer',
        description: 'A new answer, whose parent is the unfinished one.',
        ...AGAIN,
        errors: [...START_REFUSALS, 'ANSWER_COMPLETE'],
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/api/chat/stream/:streamId',
      handle: streams.read,
      doc: {
        summary: 'Read a stream',
        description:
          'Without a cursor from the start; with one exactly what comes after it, then live until the terminal event.',
        query: streamQuerySchema,
        headers: { 'Last-Event-ID': 'Cursor; wins over `after`.' },
        answers: {
          200: { ...STREAM, headers: ['X-Replica-Id'] },
          204: { about: 'The cursor names the last event of a finished stream.' },
        },
        errors: ['NOT_FOUND', 'TOO_MANY_STREAMS'],
      },
    },
    {
      ...kind,
      method: 'post',
      path: '/api/chat/resume',
      handle: chat.resume,
      doc: {
        summary: 'Answer a pending action',
        description:
          'Exactly one of `decisions`, `answers` and `answer`; exactly one winner per action. The identical repeat by the same person is answered like the first; a refused answer leaves the pause as it was.',
        body: resumeSchema,
        answers: {
          200: {
            about: 'The same verdict had been accepted before.',
            body: resumedSchema,
            headers: ['Location', 'X-Generation-Id'],
          },
          202: {
            about: 'Accepted; the same stream goes on.',
            body: resumedSchema,
            headers: ['Location', 'X-Generation-Id'],
          },
        },
        errors: ['NOT_FOUND', ...ANSWER_REFUSALS, 'TOO_MANY_GENERATIONS'],
      },
    },
    {
      ...kind,
      method: 'post',
      path: '/api/chat/abort',
      handle: chat.abort,
      doc: {
        summary: 'Stop a generation',
        description:
          "Idempotent. A conversation's id stops its live generation and those enqueued behind it.",
        body: abortSchema,
        answers: { 200: { about: 'Stopped, or it had ended before.', body: abortedSchema } },
        errors: ['NOT_FOUND'],
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/api/chat/status/:conversationId',
      handle: streams.status,
      doc: {
        summary: 'The live generation of a conversation',
        answers: { 200: { about: 'What it is and what it has said.', body: statusSchema } },
        errors: ['NOT_FOUND'],
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/api/chat/active',
      handle: streams.active,
      doc: {
        summary: "The caller's live generations",
        answers: { 200: { about: 'Oldest first.', body: activeSchema } },
      },
    },
  ];
}
