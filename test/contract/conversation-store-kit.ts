import type {
  ConversationRecord,
  ConversationStore,
  Page,
  PageRequest,
} from '../../src/stream/conversation-store.ts';
import type { Message } from '../../src/stream/message.ts';
import { EPOCH } from '../support/fake-clock.ts';

/** What the parts of the conversation store suite share. */

/** The store of the running test. */
export interface UnderTest {
  readonly store: ConversationStore;
}

export const OWNER = { tenantId: 'tenant', userId: 'user' };
export const C = 'conv_1';

export const iso = (ms: number): string => new Date(EPOCH + ms).toISOString();

export function aConversation(overrides: Partial<ConversationRecord> = {}): ConversationRecord {
  return {
    conversationId: C,
    owner: OWNER,
    title: null,
    temporary: false,
    purgeAt: null,
    createdAt: iso(0),
    updatedAt: iso(0),
    ...overrides,
  };
}

export function aMessage(messageId: string, overrides: Partial<Message> = {}): Message {
  return {
    messageId,
    conversationId: C,
    parentMessageId: null,
    role: 'user',
    content: [{ type: 'text', text: `text of ${messageId}` }],
    status: 'complete',
    agentId: 'demo',
    model: 'demo',
    createdAt: iso(0),
    ...overrides,
  };
}

export const messageIds = (messages: Message[]): string[] =>
  messages.map(({ messageId }) => messageId);

/** JSON that a store could take for something else, or refuse. */
export const ODD_JSON = {
  'a.b': 1,
  $set: { $where: 'x', 'c.$[].d': [{ $gt: '' }] },
  '': null,
  'a\u0000b': ['a\u0000b', '\ud800', '🐙'],
  '\udfff': { constructor: 1e21, toString: -0.5 },
};

/** Everything, page by page; `between` runs after each page. */
export async function pages<T>(
  fetch: (page: PageRequest) => Promise<Page<T>>,
  limit: number,
  between: () => Promise<unknown> = async () => {},
): Promise<T[][]> {
  const got: T[][] = [];
  let cursor: string | undefined;
  for (;;) {
    const page = await fetch({ limit, cursor });
    got.push(page.items);
    if (page.nextCursor === null) return got;
    cursor = page.nextCursor;
    await between();
  }
}

export const NOT_CURSORS = [
  '',
  'x',
  '0',
  '-1',
  'null',
  'W10',
  'WzFd=',
  ' WzFd',
  'WzFd ',
  Buffer.from('["a"]').toString('base64url'),
  Buffer.from('[1.5]').toString('base64url'),
  Buffer.from('[ 1]').toString('base64url'),
  Buffer.from('[1,"a"]').toString('base64url'),
  Buffer.from('["a","b","c"]').toString('base64url'),
  Buffer.from('{"0":1,"length":1}').toString('base64url'),
  Buffer.from([0xff, 0xfe]).toString('base64url'),
  '🐙',
  'A'.repeat(10_000),
];
