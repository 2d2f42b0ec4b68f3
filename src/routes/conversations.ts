import type { ConversationController } from '../controllers/conversations.ts';
import type { Route } from '../http/route.ts';
import {
  conversationPageSchema,
  forkSchema,
  messagePageSchema,
  messageQuerySchema,
  NAMED_SCHEMAS,
  pageQuerySchema,
  titleSchema,
} from '../http/schemas.ts';

const kind = { access: 'user', tag: 'conversations' } as const;
const conversation = NAMED_SCHEMAS.Conversation;

export function conversationRoutes(conversations: ConversationController): Route[] {
  const one = '/api/conversations/:id';
  return [
    {
      ...kind,
      method: 'get',
      path: '/api/conversations',
      handle: conversations.list,
      doc: {
        summary: "The caller's conversations",
        query: pageQuerySchema,
        answers: {
          200: { about: 'Newest first, no temporary ones.', body: conversationPageSchema },
        },
      },
    },
    {
      ...kind,
      method: 'get',
      path: one,
      handle: conversations.get,
      doc: {
        summary: 'A conversation',
        answers: { 200: { about: 'It.', body: conversation } },
        errors: ['NOT_FOUND'],
      },
    },
    {
      ...kind,
      method: 'patch',
      path: one,
      handle: conversations.rename,
      doc: {
        summary: 'Rename a conversation',
        body: titleSchema,
        answers: { 200: { about: 'As it is now.', body: conversation } },
        errors: ['NOT_FOUND'],
      },
    },
    {
      ...kind,
      method: 'delete',
      path: one,
      handle: conversations.remove,
      doc: {
        summary: 'Delete a conversation with all that belongs to it',
        answers: { 204: { about: 'Gone; a live generation was stopped first.' } },
        errors: ['NOT_FOUND'],
      },
    },
    {
      ...kind,
      method: 'get',
      path: `${one}/messages`,
      handle: conversations.messages,
      doc: {
        summary: 'Messages of a conversation',
        query: messageQuerySchema,
        answers: { 200: { about: 'Oldest first.', body: messagePageSchema } },
        errors: ['NOT_FOUND'],
      },
    },
    {
      ...kind,
      method: 'post',
      path: `${one}/fork`,
      handle: conversations.fork,
      doc: {
        summary: 'Copy a branch into a new conversation',
        body: forkSchema,
        headers: { 'Idempotency-Key': 'Makes the call idempotent.' },
        answers: {
          201: { about: 'The new conversation.', body: conversation, headers: ['Location'] },
        },
        errors: ['NOT_FOUND', 'CONVERSATION_BUSY', 'IDEMPOTENCY_CONFLICT'],
      },
    },
  ];
}
