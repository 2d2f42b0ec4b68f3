import { trusted } from 'mongoose';
import type {
  ApprovalRecord,
  ApprovalStatus,
  AuditEntry,
  Viewer,
} from '../../hitl/approval-store.ts';
import { keyText } from '../key-text.ts';
import type { TimeKey } from '../page-cursor.ts';
import {
  APPROVAL_FIELDS,
  approvalIn,
  APPROVALS,
  membersOf,
  NOT_DELETED,
  openedFields,
  trailIn,
  type ApprovalDocument,
} from './approval-document.ts';
import { Collection, olderThan, type Condition } from './collection.ts';
import type { MongoConnection } from './connection.ts';
import { bytesOf, jsonText, MAX_TEXT_BYTES, tooLarge } from './json-text.ts';

const isnt = (value: string): object => trusted({ $ne: value });
const ENDED = ['decided', 'expired', 'aborted', 'superseded'] satisfies ApprovalStatus[];
const DELETED = {
  $set: { status: 'deleted' },
  $currentDate: { deletedAt: true },
  $unset: NOT_DELETED,
};

/** The commands on approvals and their trails. Ids are `keyText`. */
export class ApprovalCollection {
  readonly #documents: Collection<ApprovalDocument>;

  constructor(mongo: MongoConnection) {
    this.#documents = new Collection(mongo, APPROVALS, APPROVAL_FIELDS);
  }

  /** Nothing where it was opened or deleted before. It keeps the end and the trail that it has already. */
  async open(id: string, record: ApprovalRecord): Promise<void> {
    const text = jsonText(record, 'The approval');
    await this.#add({
      id,
      where: { record: trusted({ $exists: false }) },
      update: { $set: { ...openedFields(record, text) } },
      bytes: bytesOf(text),
    });
  }

  async close(id: string, status: ApprovalStatus): Promise<void> {
    const update = { $set: { status }, $setOnInsert: { bytes: 0 } };
    await this.#documents.upsert({ _id: id, status: 'pending' }, update);
  }

  async get(id: string): Promise<ApprovalRecord | undefined> {
    const row = await this.#documents.get(id, ['status', 'record']);
    return row && approvalIn(row);
  }

  async pending(
    viewer: Viewer,
    after: TimeKey | undefined,
    limit: number,
  ): Promise<ApprovalRecord[]> {
    const where = {
      tenant: keyText(viewer.tenantId),
      members: trusted({ $in: membersOf(viewer.userId, viewer.roles) }),
      status: 'pending',
      ...olderThan('createdAt', after && [after[0], keyText(after[1])]),
    };
    const query = { where, sort: { createdAt: -1, _id: -1 }, limit } as const;
    const rows = await this.#documents.find(query, ['status', 'record']);
    return rows.flatMap((row) => approvalIn(row) ?? []);
  }

  async addAudit(id: string, entryId: string, entry: AuditEntry): Promise<void> {
    const line = { key: keyText(entryId), entry: jsonText(entry, 'The audit entry') };
    await this.#add({
      id,
      where: { 'audit.key': isnt(line.key) },
      update: { $push: { audit: line } },
      bytes: bytesOf(line.entry),
    });
  }

  async audit(id: string): Promise<AuditEntry[]> {
    const row = await this.#documents.get(id, ['audit']);
    return row ? trailIn(row) : [];
  }

  /** By the time of their proposal, the oldest first. */
  async before(
    before: string,
    after: TimeKey | undefined,
    { limit, ended }: { limit: number; ended: boolean },
  ): Promise<ApprovalRecord[]> {
    const where = {
      status: trusted({ $in: ended ? ENDED : ['pending', ...ENDED] }),
      createdAt: trusted({ $lte: before, ...(after && { $gte: after[0] }) }),
      ...(after && {
        $or: [
          { createdAt: trusted({ $gt: after[0] }) },
          { createdAt: after[0], _id: trusted({ $gt: after[1] }) },
        ],
      }),
    };
    const query = { where, sort: { createdAt: 1, _id: 1 }, limit } as const;
    const rows = await this.#documents.find(query, ['status', 'record']);
    return rows.flatMap((row) => approvalIn(row) ?? []);
  }

  /** Only the id stays. */
  async bury(id: string): Promise<void> {
    await this.#documents.upsert({ _id: id }, DELETED);
  }

  async buryAll(conversation: string): Promise<void> {
    await this.#documents.updateAll({ conversation }, DELETED);
  }

  /** Adds to the document that matches, or makes it. Throws PAYLOAD_TOO_LARGE where that alone keeps it from matching. */
  async #add(addition: {
    id: string;
    where: Condition;
    update: { $set: Record<string, unknown> } | { $push: Record<string, unknown> };
    bytes: number;
  }): Promise<void> {
    const { id, update, bytes } = addition;
    const where = { ...addition.where, _id: id, status: isnt('deleted') };
    const room = { bytes: trusted({ $lte: MAX_TEXT_BYTES - bytes }) };
    const once = { ...update, $inc: { bytes }, $setOnInsert: { status: 'pending' } };
    if (await this.#documents.upsert({ ...where, ...room }, once)) return;
    const query = { where, sort: {}, limit: 1 };
    const [full] = await this.#documents.find(query, ['bytes']);
    if (full) throw tooLarge('The approval with its trail', (full.bytes ?? 0) + bytes);
  }
}
