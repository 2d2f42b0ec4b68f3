import type { SchemaDefinition } from 'mongoose';
import type { StandingRule } from '../../hitl/standing-rules.ts';
import type { Owner } from '../../stream/job.ts';
import { keyText } from '../key-text.ts';
import type { TimeKey } from '../page-cursor.ts';
import { Collection, olderThan } from './collection.ts';
import type { MongoConnection } from './connection.ts';
import type { IndexSpec } from './indexes.ts';
import { ownerText } from './job-document.ts';
import { jsonText } from './json-text.ts';

interface RuleDocument {
  /** JSON text of owner and rule id. */
  _id: string;
  owner: string;
  /** Where it holds for one only. */
  conversation?: string;
  /** ISO time. */
  createdAt: string;
  /** It stays, so that its id is not used again. */
  revoked: boolean;
  /** JSON text. */
  record: string;
}

const FIELDS: SchemaDefinition = {
  _id: String,
  owner: String,
  conversation: String,
  createdAt: String,
  revoked: Boolean,
  record: String,
};

const RULES = 'approval_rules';

export const RULE_INDEXES: readonly IndexSpec[] = [
  {
    collection: RULES,
    name: 'listed',
    keys: { owner: 1, createdAt: -1, _id: -1 },
    partial: { revoked: false },
  },
  { collection: RULES, name: 'owner', keys: { owner: 1 } },
  {
    collection: RULES,
    name: 'conversation',
    keys: { conversation: 1 },
    partial: { conversation: { $exists: true } },
  },
];

/** More rules of one owner than this are not looked at: the oldest ones hold. */
const MAX_IN_FORCE = 10_000;

const idOf = ({ tenantId, userId }: Owner, ruleId: string): string =>
  JSON.stringify([tenantId, userId, ruleId]);

/** The record was written by this program: it is parsed, not checked again. */
function ruleIn({ record }: Pick<RuleDocument, 'record'>): StandingRule {
  const rule: StandingRule = JSON.parse(record);
  return rule;
}

/** The commands on standing rules. */
export class RuleCollection {
  readonly #documents: Collection<RuleDocument>;

  constructor(mongo: MongoConnection) {
    this.#documents = new Collection(mongo, RULES, FIELDS);
  }

  async insert(owner: Owner, rule: StandingRule): Promise<void> {
    const { ruleId, conversationId, createdAt } = rule;
    const place = conversationId === null ? {} : { conversation: keyText(conversationId) };
    const record = jsonText(rule, 'The rule');
    const fields = { owner: ownerText(owner), ...place, createdAt, revoked: false, record };
    await this.#documents.upsert({ _id: idOf(owner, ruleId) }, { $setOnInsert: fields });
  }

  async inForce(owner: Owner): Promise<StandingRule[]> {
    const where = { owner: ownerText(owner), revoked: false };
    const query = { where, sort: { createdAt: 1, _id: 1 }, limit: MAX_IN_FORCE } as const;
    return (await this.#documents.find(query, ['record'])).map(ruleIn);
  }

  async list(owner: Owner, after: TimeKey | undefined, limit: number): Promise<StandingRule[]> {
    const where = {
      owner: ownerText(owner),
      revoked: false,
      ...olderThan('createdAt', after && [after[0], idOf(owner, after[1])]),
    };
    const query = { where, sort: { createdAt: -1, _id: -1 }, limit } as const;
    return (await this.#documents.find(query, ['record'])).map(ruleIn);
  }

  async revoke(owner: Owner, ruleId: string): Promise<StandingRule | undefined> {
    const inForce = { _id: idOf(owner, ruleId), revoked: false };
    const row = await this.#documents.modify(inForce, { $set: { revoked: true } }, ['record']);
    return row && ruleIn(row);
  }

  async remove(owner: Owner, ruleId: string): Promise<void> {
    await this.#documents.removeAll({ _id: idOf(owner, ruleId) });
  }

  async removeOf(owner: Owner): Promise<void> {
    await this.#documents.removeAll({ owner: ownerText(owner) });
  }

  async removeAll(conversation: string): Promise<void> {
    await this.#documents.removeAll({ conversation });
  }
}
