import { trusted, type SchemaDefinition } from 'mongoose';
import type { Message } from '../../stream/message.ts';
import { keyText } from '../key-text.ts';
import { Collection } from './collection.ts';
import type { MongoConnection } from './connection.ts';
import type { IndexSpec } from './indexes.ts';
import { jsonText } from './json-text.ts';

interface MessageDocument {
  /** JSON text of conversation id and message id. */
  _id: string;
  conversation: string;
  message: string;
  /** The message before it. */
  parent?: string;
  /** Rises in the order of first insertion; an update keeps it. */
  place: number;
  fence: number;
  /** JSON text. */
  record: string;
}

const FIELDS: SchemaDefinition = {
  _id: String,
  conversation: String,
  message: String,
  parent: String,
  place: Number,
  fence: Number,
  record: String,
};

const MESSAGES = 'messages';

export const MESSAGE_INDEXES: readonly IndexSpec[] = [
  { collection: MESSAGES, name: 'place', keys: { conversation: 1, place: 1 } },
];

export interface PlacedMessage {
  place: number;
  message: Message;
}

/** So many links of a conversation are read at a time, and so many of its messages. */
const LINKS = 5_000;
const WHOLE = 500;

const idOf = (conversation: string, message: string): string =>
  JSON.stringify([conversation, message]);

/** The record was written by this program: it is parsed, not checked again. */
function messageIn({ record }: Pick<MessageDocument, 'record'>): Message {
  const message: Message = JSON.parse(record);
  return message;
}

/** The commands on messages. Conversations and messages are named by the `keyText` of their ids. */
export class MessageCollection {
  readonly #documents: Collection<MessageDocument>;

  constructor(mongo: MongoConnection) {
    this.#documents = new Collection(mongo, MESSAGES, FIELDS);
  }

  /** Inserts it at `place`, or replaces it where it is. False: the one that is there has a higher fence. */
  async upsert(message: Message, fence: number, place: number): Promise<boolean> {
    const conversation = keyText(message.conversationId);
    const id = keyText(message.messageId);
    const { parentMessageId: parent } = message;
    const record = jsonText(message, 'The message');
    return this.#documents.upsert(
      { _id: idOf(conversation, id), fence: trusted({ $lte: fence }) },
      {
        $set: { fence, record, ...(parent === null ? {} : { parent: keyText(parent) }) },
        ...(parent === null ? { $unset: { parent: '' } } : {}),
        $setOnInsert: { conversation, message: id, place },
      },
    );
  }

  async get(conversation: string, message: string): Promise<Message | undefined> {
    const row = await this.#documents.get(idOf(conversation, message), ['record']);
    return row && messageIn(row);
  }

  async after(conversation: string, place: number, limit: number): Promise<PlacedMessage[]> {
    const where = { conversation, place: trusted({ $gt: place }) };
    const rows = await this.#documents.find({ where, sort: { place: 1 }, limit }, [
      'place',
      'record',
    ]);
    return rows.map((row) => ({ place: row.place, message: messageIn(row) }));
  }

  async last(conversation: string): Promise<Message | undefined> {
    const query = { where: { conversation }, sort: { place: -1 }, limit: 1 } as const;
    const [row] = await this.#documents.find(query, ['record']);
    return row && messageIn(row);
  }

  /** Which message each one answers, undefined where it is the first. */
  async parents(conversation: string): Promise<Map<string, string | undefined>> {
    const parents = new Map<string, string | undefined>();
    for (let from = 0, more = true; more;) {
      const where = { conversation, place: trusted({ $gt: from }) };
      const query = { where, sort: { place: 1 }, limit: LINKS } as const;
      const rows = await this.#documents.find(query, ['place', 'message', 'parent']);
      for (const { message, parent } of rows) parents.set(message, parent);
      more = rows.length === LINKS;
      from = rows.at(-1)?.place ?? from;
    }
    return parents;
  }

  /** Those that are there, in the order asked for. */
  async many(conversation: string, messages: string[]): Promise<Message[]> {
    const found = new Map<string, Message>();
    for (let from = 0; from < messages.length; from += WHOLE) {
      const ids = messages.slice(from, from + WHOLE).map((message) => idOf(conversation, message));
      const where = { _id: trusted({ $in: ids }) };
      const query = { where, sort: {}, limit: WHOLE };
      for (const row of await this.#documents.find(query, ['message', 'record'])) {
        found.set(row.message, messageIn(row));
      }
    }
    return messages.flatMap((message) => found.get(message) ?? []);
  }

  async remove(conversation: string, message: string): Promise<void> {
    await this.#documents.removeAll({ _id: idOf(conversation, message) });
  }

  async removeAll(conversations: string[]): Promise<void> {
    await this.#documents.removeAll({ conversation: trusted({ $in: conversations }) });
  }
}
