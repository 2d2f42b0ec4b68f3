import { trusted } from 'mongoose';
import type { ConversationRecord } from '../../stream/conversation-store.ts';
import type { Owner } from '../../stream/job.ts';
import { keyText } from '../key-text.ts';
import type { TimeKey } from '../page-cursor.ts';
import { Collection, olderThan } from './collection.ts';
import type { MongoConnection } from './connection.ts';
import {
  CONVERSATION_FIELDS,
  conversationIn,
  CONVERSATIONS,
  livingOf,
  NOT_LIVING,
  SHOWN,
  titleText,
  type ConversationDocument,
} from './conversation-document.ts';
import { ownerText } from './job-document.ts';

const living = (id: string) => ({ _id: id, live: true });

/** The commands on conversations. Ids are `keyText`. */
export class ConversationCollection {
  readonly #documents: Collection<ConversationDocument>;

  constructor(mongo: MongoConnection) {
    this.#documents = new Collection(mongo, CONVERSATIONS, CONVERSATION_FIELDS);
  }

  /** Does nothing where there is one already, be it a tombstone. */
  async insert(id: string, conversation: ConversationRecord): Promise<void> {
    await this.#documents.upsert({ _id: id }, { $setOnInsert: { ...livingOf(conversation) } });
  }

  async get(id: string): Promise<ConversationRecord | undefined> {
    const row = await this.#documents.get(id, [...SHOWN, 'live']);
    return row?.live ? conversationIn(row) : undefined;
  }

  async isLive(id: string): Promise<boolean> {
    return (await this.#documents.get(id, ['live']))?.live === true;
  }

  async list(
    owner: Owner,
    after: TimeKey | undefined,
    limit: number,
  ): Promise<ConversationRecord[]> {
    const where = {
      owner: ownerText(owner),
      temporary: false,
      ...olderThan('updatedAt', after && [after[0], keyText(after[1])]),
    };
    const query = { where, sort: { updatedAt: -1, _id: -1 }, limit } as const;
    return (await this.#documents.find(query, SHOWN)).map(conversationIn);
  }

  async allOf(owner: Owner, after: string, limit: number): Promise<ConversationRecord[]> {
    const where = { owner: ownerText(owner), _id: trusted({ $gt: keyText(after) }) };
    const query = { where, sort: { _id: 1 }, limit } as const;
    return (await this.#documents.find(query, SHOWN)).map(conversationIn);
  }

  /** The conversation with its new title; undefined: there is none, or none without a title. */
  async setTitle(
    id: string,
    title: string,
    by: 'generated' | 'user',
  ): Promise<ConversationRecord | undefined> {
    const where = by === 'user' ? living(id) : { ...living(id), title: null };
    const row = await this.#documents.modify(where, { $set: { title: titleText(title) } }, SHOWN);
    return row && conversationIn(row);
  }

  async touch(id: string, updatedAt: string, purgeAt: number | null): Promise<void> {
    if (purgeAt !== null) {
      const temporary = { ...living(id), temporary: true };
      const later = { $max: { updatedAt, purgeAt } };
      if (await this.#documents.update(temporary, later)) return;
    }
    await this.#documents.update(living(id), { $max: { updatedAt } });
  }

  /** Undefined: there is none, or it is not temporary, or condemned. */
  async keep(id: string, updatedAt: string): Promise<ConversationRecord | undefined> {
    const where = { ...living(id), temporary: true, purgeAt: trusted({ $gt: 0 }) };
    const change = { $set: { temporary: false, updatedAt }, $unset: { purgeAt: '' } } as const;
    const row = await this.#documents.modify(where, change, SHOWN);
    return row && conversationIn(row);
  }

  async condemn(id: string): Promise<void> {
    await this.#documents.update(living(id), { $set: { temporary: true, purgeAt: 0 } });
  }

  async idleSince(
    before: string,
    after: TimeKey | undefined,
    limit: number,
  ): Promise<ConversationRecord[]> {
    const where = {
      temporary: false,
      updatedAt: trusted({ $lte: before, ...(after && { $gte: after[0] }) }),
      ...(after && {
        $or: [
          { updatedAt: trusted({ $gt: after[0] }) },
          { updatedAt: after[0], _id: trusted({ $gt: after[1] }) },
        ],
      }),
    };
    const query = { where, sort: { updatedAt: 1, _id: 1 }, limit } as const;
    return (await this.#documents.find(query, SHOWN)).map(conversationIn);
  }

  async purgeable(now: number, limit: number): Promise<string[]> {
    const where = { temporary: true, purgeAt: trusted({ $lte: now }) };
    const query = { where, sort: { purgeAt: 1, _id: 1 }, limit } as const;
    const rows = await this.#documents.find(query, SHOWN);
    return rows.map((row) => conversationIn(row).conversationId);
  }

  /** The place of a new message: the next number. Undefined: there is no such conversation. */
  async nextPlace(id: string): Promise<number | undefined> {
    const row = await this.#documents.modify(living(id), { $inc: { places: 1 } }, ['places']);
    return row?.places;
  }

  /** From here on nothing is written to it. */
  async bury(id: string): Promise<void> {
    await this.#documents.upsert(
      { _id: id },
      { $set: { unswept: true }, $currentDate: { deletedAt: true }, $unset: NOT_LIVING },
    );
  }

  /** Tombstones that were made at or before `before` and not swept yet, oldest first. */
  async unswept(before: Date, limit: number): Promise<string[]> {
    const where = { unswept: true, deletedAt: trusted({ $lte: before }) };
    const query = { where, sort: { deletedAt: 1 }, limit } as const;
    return (await this.#documents.find(query, ['_id'])).map(({ _id }) => _id);
  }

  /** Those that were deleted once more meanwhile are swept once more. */
  async swept(ids: string[], before: Date): Promise<void> {
    const where = { _id: trusted({ $in: ids }), deletedAt: trusted({ $lte: before }) };
    await this.#documents.updateAll(where, { $unset: { unswept: '' } });
  }
}
