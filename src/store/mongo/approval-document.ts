import type { SchemaDefinition } from 'mongoose';
import type { ApprovalRecord, ApprovalStatus, AuditEntry } from '../../hitl/approval-store.ts';
import { keyText } from '../key-text.ts';
import { KNOWN_FOR_SECONDS } from './collection.ts';
import type { IndexSpec } from './indexes.ts';

/**
 * An approval with its trail in one document: whatever happens to the one happens to the other in the same atomic
 * write, and the order of the trail is the order of the writes. It may have a trail or an end before it is opened.
 */
export interface ApprovalDocument extends Partial<OpenedFields> {
  _id: string;
  /** `deleted`: only the id is kept, so that nothing of it can come back. */
  status: ApprovalStatus | 'deleted';
  /** Of record and trail; kept below what a document may hold. */
  bytes?: number;
  audit?: AuditLine[];
  deletedAt?: Date;
}

/** There since it was opened. */
export interface OpenedFields {
  conversation: string;
  tenant: string;
  /** Its owner and the roles that may decide. */
  members: string[];
  /** ISO time. */
  createdAt: string;
  /** JSON text; the status in it is that of the beginning. */
  record: string;
}

export interface AuditLine {
  /** Id of the entry. */
  key: string;
  /** JSON text. */
  entry: string;
}

export const APPROVAL_FIELDS: SchemaDefinition = {
  _id: String,
  status: String,
  bytes: Number,
  audit: { type: [{ _id: false, key: String, entry: String }], default: undefined },
  conversation: String,
  tenant: String,
  members: { type: [String], default: undefined },
  createdAt: String,
  record: String,
  deletedAt: Date,
};

/** Everything that one that was deleted has no more. */
export const NOT_DELETED: Record<keyof OpenedFields | 'audit' | 'bytes', ''> = {
  bytes: '',
  audit: '',
  conversation: '',
  tenant: '',
  members: '',
  createdAt: '',
  record: '',
};

export const APPROVALS = 'approvals';

export const APPROVAL_DOCUMENT_INDEXES: readonly IndexSpec[] = [
  {
    collection: APPROVALS,
    name: 'pending',
    keys: { tenant: 1, members: 1, createdAt: -1, _id: -1 },
    partial: { status: 'pending' },
  },
  {
    collection: APPROVALS,
    name: 'ended',
    keys: { createdAt: 1, _id: 1 },
    partial: { createdAt: { $exists: true } },
  },
  {
    collection: APPROVALS,
    name: 'conversation',
    keys: { conversation: 1 },
    partial: { conversation: { $exists: true } },
  },
  {
    collection: APPROVALS,
    name: 'tombstones',
    keys: { deletedAt: 1 },
    expireAfterSeconds: KNOWN_FOR_SECONDS,
  },
];

const asUser = (userId: string): string => `user:${keyText(userId)}`;
const asRole = (role: string): string => `role:${keyText(role)}`;

export function membersOf(userId: string, roles: string[]): string[] {
  return [...new Set([asUser(userId), ...roles.map(asRole)])];
}

export function openedFields(record: ApprovalRecord, text: string): OpenedFields {
  const { conversationId, owner, approverRoles, action } = record;
  return {
    conversation: keyText(conversationId),
    tenant: keyText(owner.tenantId),
    members: membersOf(owner.userId, approverRoles),
    createdAt: action.createdAt,
    record: text,
  };
}

/** The texts were written by this program: they are parsed, not checked again. */
export function approvalIn({
  record,
  status,
}: Pick<ApprovalDocument, 'record' | 'status'>): ApprovalRecord | undefined {
  if (record === undefined || status === 'deleted') return undefined;
  const approval: ApprovalRecord = JSON.parse(record);
  return { ...approval, status };
}

/** Oldest first, those of one moment as they came. */
export function trailIn({ audit = [] }: Pick<ApprovalDocument, 'audit'>): AuditEntry[] {
  const entries = audit.map(({ entry }): AuditEntry => JSON.parse(entry));
  return entries.toSorted((a, b) => (a.at === b.at ? 0 : a.at < b.at ? -1 : 1));
}
