import { notFound } from '../errors.ts';
import type { Page, PageRequest } from '../stream/conversation-store.ts';
import type { Owner } from '../stream/job.ts';
import type { JobStore } from '../stream/job-store.ts';
import { sameOwner } from '../stream/owned.ts';
import type { Client, PendingAction } from '../stream/pending-action.ts';
import type {
  ApprovalRecord,
  ApprovalStatus,
  ApprovalStore,
  AuditEntry,
  Viewer,
} from './approval-store.ts';
import type { StandingRule } from './standing-rules.ts';

/** What the outside may ask about approvals and standing rules. Refusals are `AppError`s. */
export interface Approvals {
  /** Pending actions that the viewer owns or may decide, newest first. */
  pending(viewer: Viewer, page: PageRequest): Promise<Page<PendingAction>>;
  get(viewer: Viewer, actionId: string): Promise<ApprovalDetails>;
  rules(owner: Owner, page: PageRequest): Promise<Page<StandingRule>>;
  revokeRule(by: Owner & { client: Client }, ruleId: string): Promise<void>;
}

export interface ApprovalDetails {
  action: PendingAction;
  status: ApprovalStatus;
  audit: AuditEntry[];
}

export interface ApprovalsDeps {
  approvals: ApprovalStore;
  jobs: Pick<JobStore, 'get' | 'now'>;
}

export class ApprovalQueries implements Approvals {
  readonly #deps: ApprovalsDeps;

  constructor(deps: ApprovalsDeps) {
    this.#deps = deps;
  }

  async pending(viewer: Viewer, page: PageRequest): Promise<Page<PendingAction>> {
    const { items, nextCursor } = await this.#deps.approvals.pending(viewer, page);
    const actions: PendingAction[] = [];
    for (const record of items) if (await this.#isLive(record)) actions.push(record.action);
    return { items: actions, nextCursor };
  }

  async get(viewer: Viewer, actionId: string): Promise<ApprovalDetails> {
    const { approvals } = this.#deps;
    const record = await approvals.get(actionId);
    if (!record || !maySee(record, viewer)) throw notFound('approval');
    const { action, status } = record;
    return { action, status, audit: await approvals.audit(actionId) };
  }

  rules(owner: Owner, page: PageRequest): Promise<Page<StandingRule>> {
    return this.#deps.approvals.rules(owner, page);
  }

  async revokeRule(by: Owner & { client: Client }, ruleId: string): Promise<void> {
    const { approvals, jobs } = this.#deps;
    const rule = await approvals.revokeRule(by, ruleId);
    if (!rule) throw notFound('rule');
    const at = new Date(await jobs.now()).toISOString();
    const details = { ruleId, tool: rule.tool };
    const entry = { at, event: 'rule_revoked' as const, by: by.userId, client: by.client, details };
    await approvals.addAudit(rule.actionId, `${ruleId}:revoked`, entry);
  }

  /** The job alone says so; the record may be a moment behind. */
  async #isLive({ generationId, actionId }: ApprovalRecord): Promise<boolean> {
    const job = await this.#deps.jobs.get(generationId);
    return job?.status === 'paused' && job.action.actionId === actionId;
  }
}

function maySee({ owner, approverRoles }: ApprovalRecord, viewer: Viewer): boolean {
  if (sameOwner(owner, viewer)) return true;
  return (
    owner.tenantId === viewer.tenantId && approverRoles.some((role) => viewer.roles.includes(role))
  );
}
