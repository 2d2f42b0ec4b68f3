import { z } from 'zod';
import type { AppContext } from '../../http/context.ts';
import type { Answer, Route } from '../../http/route.ts';
import { abortedSchema } from '../../http/schemas.ts';
import { createAiSdkController, streamQuerySchema } from './controller.ts';
import { chatBodySchema } from './request.ts';
import { uiMessageSchema } from './ui-messages.ts';

const kind = { access: 'user', tag: 'ai-sdk' } as const;

const STREAM: Answer = {
  about: 'A UI message stream v1: frames of `id` and `data`, the last one `[DONE]`.',
  body: { contentType: 'text/event-stream' },
  headers: ['Location', 'X-Generation-Id', 'x-vercel-ai-ui-message-stream'],
};

/** The AI SDK's UI message stream v1 (docs/PROTOCOL.md section 10). */
export function aiSdkRoutes(ctx: AppContext): Route[] {
  const chat = createAiSdkController(ctx);
  return [
    {
      ...kind,
      method: 'post',
      path: '/ai-sdk/chat',
      handle: chat.chat,
      doc: {
        summary: 'Send a message, or an answer to what waits, as the AI SDK does',
        description:
          'Only the last user message, and approvals and outputs of `ask_user` in an assistant message, are read; history is ours. `Location` names the stream for a client that is cut.',
        body: chatBodySchema,
        answers: { 200: STREAM },
        errors: [
          'NOT_FOUND',
          'CONVERSATION_BUSY',
          'IDEMPOTENCY_CONFLICT',
          'FORBIDDEN',
          'UNDECIDED',
          'UNKNOWN_TOOL_CALL',
          'DUPLICATE_DECISION',
          'INCOMPLETE_DECISION',
          'DECISION_NOT_ALLOWED',
          'STALE_ACTION',
          'NO_PENDING_ACTION',
          'ACTION_ALREADY_RESOLVED',
          'AGENT_CHANGED',
          'ACTION_EXPIRED',
          'TOO_MANY_GENERATIONS',
          'TOO_MANY_STREAMS',
        ],
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/ai-sdk/chat/:id/stream',
      handle: chat.stream,
      doc: {
        summary: 'Read the answer that is being made',
        description: 'Without Last-Event-ID from its start, with it exactly behind that frame.',
        query: streamQuerySchema,
        headers: { 'Last-Event-ID': 'Id of the last frame that arrived.' },
        answers: { 200: STREAM, 204: { about: 'Nothing is being made.' } },
        errors: ['NOT_FOUND', 'TOO_MANY_STREAMS'],
      },
    },
    {
      ...kind,
      method: 'post',
      path: '/ai-sdk/chat/:id/stop',
      handle: chat.stop,
      doc: {
        summary: 'Stop the answer that is being made',
        description: 'Idempotent. A client that only stops reading does not stop the answer.',
        answers: { 200: { about: 'Stopped, or it had ended before.', body: abortedSchema } },
        errors: ['NOT_FOUND'],
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/ai-sdk/chat/:id/messages',
      handle: chat.messages,
      doc: {
        summary: 'The newest branch of a chat as UIMessages',
        description:
          'For `messages` of `useChat`. An answer that is being made is left out: its stream has it. One that waits is there with what it asks.',
        answers: { 200: { about: 'Oldest first.', body: z.array(uiMessageSchema) } },
        errors: ['NOT_FOUND'],
      },
    },
  ];
}
