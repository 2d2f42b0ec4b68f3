import type { Json, JsonObject } from '../lib/json.ts';
import type { Page, PageRequest } from '../stream/conversation-store.ts';
import type { Owner } from '../stream/job.ts';
import type { Client, PendingAction, Resolution } from '../stream/pending-action.ts';
import type { StandingRule } from './standing-rules.ts';

/** Port: what is kept of approvals beside the job, which alone says whether one is still pending. */

export type ApprovalStatus = 'pending' | Resolution['outcome'];

export interface ApprovalRecord {
  actionId: string;
  generationId: string;
  conversationId: string;
  owner: Owner;
  /** Roles of the owner's tenant whose members may decide as well. */
  approverRoles: string[];
  /** The owner may not decide. */
  fourEyes: boolean;
  status: ApprovalStatus;
  action: PendingAction;
}

export const AUDIT_EVENTS = [
  'proposed',
  'decided',
  'expired',
  'aborted',
  'superseded',
  'executed',
  'rule_created',
  'rule_revoked',
] as const;

/** One line of an audit trail: append-only, never changed. */
export interface AuditEntry {
  /** ISO time. */
  at: string;
  event: (typeof AUDIT_EVENTS)[number];
  /** User id; null: nobody, e.g. time. */
  by: string | null;
  client: Client | null;
  details: JsonObject;
}

export interface Viewer extends Owner {
  roles: string[];
}

/** Place in the list of those that ended. */
export interface EndedApproval {
  actionId: string;
  generationId: string;
  /** ISO time. */
  createdAt: string;
}

/** Place in the list of all of them. */
export interface ProposedApproval extends EndedApproval {
  conversationId: string;
}

export interface ApprovalStore {
  /** Inserts a pending approval; one that is there stays as it is. */
  open(record: ApprovalRecord): Promise<void>;
  /** From pending to how it ended; a second ending changes nothing. What is opened only later has ended already. */
  close(actionId: string, status: Exclude<ApprovalStatus, 'pending'>): Promise<void>;
  get(actionId: string): Promise<ApprovalRecord | undefined>;
  /** Pending ones that the viewer owns or may decide by role (same tenant), newest first. */
  pending(viewer: Viewer, page: PageRequest): Promise<Page<ApprovalRecord>>;
  /** Adds a line to the trail of an action unless one with this `entryId` is there. */
  addAudit(actionId: string, entryId: string, entry: AuditEntry): Promise<void>;
  /** Oldest first, those of one moment as they came. */
  audit(actionId: string): Promise<AuditEntry[]>;
  /** Adds a standing rule of the owner unless one with its id is there (also a revoked one). */
  addRule(owner: Owner, rule: StandingRule): Promise<void>;
  /** Rules in force, oldest first. */
  rulesOf(owner: Owner): Promise<StandingRule[]>;
  /** Rules in force, newest first. */
  rules(owner: Owner, page: PageRequest): Promise<Page<StandingRule>>;
  /** The rule that was in force and is not any more; undefined: no such rule of this owner. */
  revokeRule(owner: Owner, ruleId: string): Promise<StandingRule | undefined>;
  /** Ended, proposed at or before `before` (ISO), the oldest first; those behind `after`. */
  endedBefore(
    before: string,
    after: EndedApproval | undefined,
    limit: number,
  ): Promise<EndedApproval[]>;
  /** As `endedBefore`, of those that are still pending too. */
  proposedBefore(
    before: string,
    after: ProposedApproval | undefined,
    limit: number,
  ): Promise<ProposedApproval[]>;
  /** Deletes one with its trail. Late writers do not bring it back. */
  forget(actionId: string): Promise<void>;
  /** All of an owner's, revoked ones too. */
  deleteRules(owner: Owner): Promise<void>;
  /**
   * Deletes what belongs to a conversation: approvals, their trails, and rules for this conversation only. Late writers
   * do not bring these approvals back.
   */
  deleteConversation(conversationId: string): Promise<void>;
}

export const WEBHOOK_EVENTS = [
  'approval.waiting',
  'approval.expiring',
  'approval.decided',
  'approval.expired',
  'generation.finished',
] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

export interface OutboxItem {
  /** One per transition, e.g. `<actionId>:approval.waiting`. */
  id: string;
  event: WebhookEvent;
  /** Epoch ms. */
  createdAt: number;
  payload: Json;
  attempts: number;
  /** Epoch ms. */
  nextAt: number;
}

/** Port: webhooks that are still to be delivered. */
export interface Outbox {
  /** Adds it, due at once, unless this id was ever there. */
  put(item: Pick<OutboxItem, 'id' | 'event' | 'createdAt' | 'payload'>): Promise<void>;
  /** Items whose `nextAt` is at or before `now`, oldest first. */
  due(now: number, limit: number): Promise<OutboxItem[]>;
  /**
   * Makes it due no earlier than `until`, so that one of many replicas sends it. False: it is no longer as it was
   * found, because another one was first, or it is over.
   */
  claim(item: Pick<OutboxItem, 'id' | 'nextAt'>, until: number): Promise<boolean>;
  delivered(id: string): Promise<void>;
  /** Counts an attempt and waits until `nextAt`; nothing for one that is delivered or given up. */
  failed(id: string, nextAt: number): Promise<void>;
  /** No more attempts. Its id stays known. */
  givenUp(id: string): Promise<void>;
}
