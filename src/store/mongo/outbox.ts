import { trusted, type SchemaDefinition } from 'mongoose';
import type { Outbox, OutboxItem, WebhookEvent } from '../../hitl/approval-store.ts';
import type { Json } from '../../lib/json.ts';
import { keyText } from '../key-text.ts';
import { Collection, KNOWN_FOR_SECONDS } from './collection.ts';
import type { MongoConnection } from './connection.ts';
import type { IndexSpec } from './indexes.ts';
import { jsonText } from './json-text.ts';

interface OutboxDocument {
  _id: string;
  event: WebhookEvent;
  /** Epoch ms. */
  createdAt: number;
  /** Orders what one process put in one moment; between processes it follows their clocks. */
  place: number;
  attempts: number;
  /** JSON text of id and payload. Neither it nor `nextAt` is there when it is over. */
  item?: string;
  /** Epoch ms. */
  nextAt?: number;
  /** It was delivered or given up. */
  overAt?: Date;
}

const FIELDS: SchemaDefinition = {
  _id: String,
  event: String,
  createdAt: Number,
  place: Number,
  attempts: Number,
  item: String,
  nextAt: Number,
  overAt: Date,
};

const OUTBOX = 'outbox';
const waits = () => ({ $exists: true });

/** To be ensured before the outbox is used. */
export const OUTBOX_INDEXES: readonly IndexSpec[] = [
  { collection: OUTBOX, name: 'due', keys: { nextAt: 1 }, partial: { nextAt: waits() } },
  {
    collection: OUTBOX,
    name: 'over',
    keys: { overAt: 1 },
    expireAfterSeconds: KNOWN_FOR_SECONDS,
  },
];

/** The item was written by this program: its JSON is parsed, not checked again. */
function itemIn(row: OutboxDocument): OutboxItem {
  const { event, createdAt, attempts, nextAt = createdAt } = row;
  const item: { id: string; payload: Json } = JSON.parse(row.item ?? 'null');
  return { ...item, event, createdAt, attempts, nextAt };
}

const READ = ['event', 'createdAt', 'place', 'attempts', 'item', 'nextAt', '_id'] as const;

/** A document for each item. Of one that is over the id stays known for 30 days. */
export function createMongoOutbox({ mongo }: { mongo: MongoConnection }): Outbox {
  const documents = new Collection<OutboxDocument>(mongo, OUTBOX, FIELDS);
  let last = 0;

  function nextPlace(): number {
    // Microseconds; two of one process are never the same.
    last = Math.max(last + 1, Date.now() * 1000);
    return last;
  }

  async function end(id: string): Promise<void> {
    await documents.update(
      { _id: keyText(id), nextAt: trusted(waits()) },
      { $unset: { nextAt: '', item: '' }, $currentDate: { overAt: true } },
    );
  }

  return {
    async put({ id, event, createdAt, payload }) {
      // The id is part of the text, as the key may have another form.
      const item = jsonText({ id, payload }, 'The webhook');
      const fields = { event, createdAt, place: nextPlace(), attempts: 0, item, nextAt: createdAt };
      await documents.upsert({ _id: keyText(id) }, { $setOnInsert: fields });
    },

    async due(now, limit) {
      const where = { nextAt: trusted({ $lte: now }) };
      const query = { where, sort: { createdAt: 1, place: 1, _id: 1 }, limit } as const;
      return (await documents.find(query, READ)).map(itemIn);
    },

    async claim({ id, nextAt }, until) {
      return documents.update({ _id: keyText(id), nextAt }, { $set: { nextAt: until } });
    },

    async delivered(id) {
      await end(id);
    },

    async failed(id, nextAt) {
      const waiting = { _id: keyText(id), nextAt: trusted(waits()) };
      await documents.update(waiting, { $set: { nextAt }, $inc: { attempts: 1 } });
    },

    async givenUp(id) {
      await end(id);
    },
  };
}
