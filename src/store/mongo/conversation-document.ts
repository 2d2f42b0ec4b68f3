import type { SchemaDefinition } from 'mongoose';
import type { ConversationRecord } from '../../stream/conversation-store.ts';
import { KNOWN_FOR_SECONDS } from './collection.ts';
import type { IndexSpec } from './indexes.ts';
import { ownerText } from './job-document.ts';
import { jsonText } from './json-text.ts';

/**
 * A conversation, or the tombstone of one. What never changes is JSON text; what changes has a field, so that each
 * change is one atomic update. A field that does not apply is not there.
 */
export type ConversationDocument = Living & Tombstone & { _id: string };

interface Living {
  /** It is no tombstone. */
  live?: true;
  record?: string;
  owner?: string;
  /** JSON text. */
  title?: string;
  temporary?: boolean;
  /** ISO time. */
  updatedAt?: string;
  /** Epoch ms. */
  purgeAt?: number;
  /** How many places were given to messages. */
  places?: number;
}

interface Tombstone {
  deletedAt?: Date;
  /** Messages of writers that died may still have to be removed. */
  unswept?: true;
}

export const CONVERSATION_FIELDS: SchemaDefinition = {
  _id: String,
  live: Boolean,
  record: String,
  owner: String,
  title: String,
  temporary: Boolean,
  updatedAt: String,
  purgeAt: Number,
  places: Number,
  deletedAt: Date,
  unswept: Boolean,
};

export const CONVERSATIONS = 'conversations';

export const CONVERSATION_DOCUMENT_INDEXES: readonly IndexSpec[] = [
  {
    collection: CONVERSATIONS,
    name: 'listed',
    keys: { owner: 1, updatedAt: -1, _id: -1 },
    partial: { temporary: false },
  },
  { collection: CONVERSATIONS, name: 'owner', keys: { owner: 1, _id: 1 } },
  {
    collection: CONVERSATIONS,
    name: 'idle',
    keys: { updatedAt: 1, _id: 1 },
    partial: { temporary: false },
  },
  {
    collection: CONVERSATIONS,
    name: 'purge',
    keys: { purgeAt: 1, _id: 1 },
    partial: { temporary: true },
  },
  {
    collection: CONVERSATIONS,
    name: 'unswept',
    keys: { unswept: 1, deletedAt: 1 },
    partial: { unswept: true },
  },
  {
    collection: CONVERSATIONS,
    name: 'tombstones',
    keys: { deletedAt: 1 },
    expireAfterSeconds: KNOWN_FOR_SECONDS,
  },
];

type Fixed = Pick<ConversationRecord, 'conversationId' | 'owner' | 'createdAt' | 'forkedFrom'>;

export function livingOf(conversation: ConversationRecord): Living {
  const { conversationId, owner, createdAt, title, temporary, updatedAt, purgeAt, forkedFrom } =
    conversation;
  const fixed: Fixed = { conversationId, owner, createdAt, ...(forkedFrom && { forkedFrom }) };
  return {
    live: true,
    record: JSON.stringify(fixed),
    owner: ownerText(owner),
    ...(title === null ? {} : { title: titleText(title) }),
    temporary,
    updatedAt,
    ...(purgeAt === null ? {} : { purgeAt }),
    places: 0,
  };
}

export function titleText(title: string): string {
  return jsonText(title, 'The title');
}

/** Everything that a tombstone has no more. */
export const NOT_LIVING: Record<keyof Living, ''> = {
  live: '',
  record: '',
  owner: '',
  title: '',
  temporary: '',
  updatedAt: '',
  purgeAt: '',
  places: '',
};

export const SHOWN = ['record', 'title', 'temporary', 'updatedAt', 'purgeAt'] as const;

/** The texts were written by this program: they are parsed, not checked again. */
export function conversationIn(
  row: Pick<ConversationDocument, (typeof SHOWN)[number]>,
): ConversationRecord {
  const { record = '', title, temporary = false, updatedAt = '', purgeAt = null } = row;
  const fixed: Fixed = JSON.parse(record);
  const named: string | null = title === undefined ? null : JSON.parse(title);
  return { ...fixed, title: named, temporary, updatedAt, purgeAt };
}
