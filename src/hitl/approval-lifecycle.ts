import type { PauseRequest } from '../agent/agent-runner.ts';
import type { Ids } from '../lib/ids.ts';
import type { JsonObject } from '../lib/json.ts';
import { hashOf } from '../lib/json.ts';
import type { EventBody } from '../stream/events.ts';
import type { EventTransport } from '../stream/event-transport.ts';
import { carryOut } from '../stream/job-command.ts';
import type { Job, PausedJob, RunningJob } from '../stream/job.ts';
import type { JobStore } from '../stream/job-store.ts';
import { appendAt } from '../stream/log-append.ts';
import type { LogHub } from '../stream/log-hub.ts';
import type { MessageFold } from '../stream/fold.ts';
import type { StreamMetrics } from '../stream/metrics.ts';
import type { PendingAction, Resolution } from '../stream/pending-action.ts';
import {
  actionFacts,
  approvalOf,
  proposedEntry,
  resolvedEntry,
  rulesMadeBy,
  webhookItem,
} from './approval-records.ts';
import type { ApprovalStore, Outbox, WebhookEvent } from './approval-store.ts';
import { newPause, resolutionOf, resolvedEvent, type ExpirySettings } from './pending.ts';

export interface ApprovalLifecycleDeps {
  jobs: JobStore;
  transport: EventTransport;
  hub: LogHub;
  approvals: ApprovalStore;
  outbox: Outbox;
  ids: Ids;
  metrics: Pick<StreamMetrics, 'approvalResolved'>;
  settings: ExpirySettings & { driver: string; leaseTtl: number };
  /** Something was put into the outbox. */
  outboxChanged(): void;
}

/**
 * A pending action from its beginning to its end (docs/APPROVALS.md section 1). The job alone says what is true;
 * everything here is derived from it by idempotent steps, so whoever comes after a crash does them again.
 */
export class ApprovalLifecycle {
  readonly #deps: ApprovalLifecycleDeps;

  constructor(deps: ApprovalLifecycleDeps) {
    this.#deps = deps;
  }

  /** T4. The checkpoint and the partial message are durable already; undefined: the job is not the driver's any more. */
  async pause(
    job: RunningJob,
    asked: PauseRequest,
    logged: number,
  ): Promise<PausedJob | undefined> {
    const { jobs, ids, settings } = this.#deps;
    const { generationId, fence } = job;
    const now = await jobs.now();
    const paused = await carryOut(jobs, generationId, {
      type: 'pause',
      fence,
      pause: newPause(job, asked, { now, ids, settings }),
      actor: { driver: settings.driver, leaseTtl: settings.leaseTtl, now },
      logged,
    });
    // Only we can have paused it at our fence: then the write got through, and its answer did not.
    const held = paused.job;
    return held?.status === 'paused' && held.fence === fence ? held : undefined;
  }

  /** Tells everybody who must know that it waits. */
  async announce(job: PausedJob): Promise<void> {
    const { jobs, approvals } = this.#deps;
    const { action } = job;
    const { actionId } = action;
    await approvals.open(approvalOf(job));
    await approvals.addAudit(actionId, `${actionId}:proposed`, proposedEntry(job));
    await this.#webhook('approval.waiting', job, { key: actionId, facts: actionFacts(action) });
    await this.#tell(job, { type: 'pending_action', action });
    await carryOut(jobs, job.generationId, { type: 'announced', actionId });
  }

  /** Tells everybody that it expires soon. */
  async warn(job: PausedJob): Promise<void> {
    const { action, generationId } = job;
    const { actionId, expiresAt } = action;
    if (expiresAt !== null) {
      await this.#webhook('approval.expiring', job, { key: actionId, facts: actionFacts(action) });
      await this.#tell(job, { type: 'action_expiring', actionId, expiresAt });
    }
    await carryOut(this.#deps.jobs, generationId, { type: 'warned', actionId });
  }

  /** Writes down how each action ended: trail, rules, webhooks. The event is its caller's, who holds the log. */
  async settle(job: Job): Promise<void> {
    for (const resolution of job.resolutions) await this.#settle(job, resolution);
  }

  async #settle(job: Job, resolution: Resolution): Promise<void> {
    const { approvals } = this.#deps;
    const { actionId, outcome, decidedBy, decidedAt } = resolution;
    const known = await approvals.get(actionId);
    if (known && known.status !== 'pending') return;
    // It may be decided before it is opened: whoever asks the record knows of it at once.
    const action = known?.action ?? answeredAction(job, actionId);
    const entry = resolvedEntry(job, resolution, action);
    await approvals.addAudit(actionId, `${actionId}:resolved`, entry);
    if (action) await this.#makeRules(job, resolution, action);
    const event = outcome === 'expired' ? 'approval.expired' : 'approval.decided';
    const facts = { ...(action && actionFacts(action)), outcome, decidedBy, decidedAt };
    await this.#webhook(event, job, { key: actionId, facts });
    // Last: it says that all of the above is done.
    await approvals.close(actionId, outcome);
    this.#deps.metrics.approvalResolved(outcome);
  }

  async #makeRules(job: Job, resolution: Resolution, action: PendingAction): Promise<void> {
    const { approvals } = this.#deps;
    const { actionId, decidedBy: by, decidedAt: at, client = null } = resolution;
    for (const rule of rulesMadeBy(job, resolution, action)) {
      await approvals.addRule(job.owner, rule);
      const { ruleId, tool, conversationId } = rule;
      const details = { ruleId, tool, conversationId };
      await approvals.addAudit(actionId, ruleId, {
        at,
        event: 'rule_created',
        by,
        client,
        details,
      });
    }
  }

  /** The event of an action that a person just decided; refused where the next driver has the log already. */
  async announceDecision(job: Job, actionId: string): Promise<void> {
    const resolution = resolutionOf(job, actionId);
    if (resolution) await this.#tell(job, resolvedEvent(resolution));
  }

  /** What really ran, for the trail of the action that allowed it. */
  async executed(
    job: Job,
    call: { toolCallId: string; args: JsonObject; status: string },
  ): Promise<void> {
    const { toolCallId, args, status } = call;
    const allowed = job.resolutions.find(({ verdict }) => {
      return (
        verdict &&
        'decisions' in verdict &&
        verdict.decisions.some((it) => it.toolCallId === toolCallId)
      );
    });
    if (!allowed) return;
    const at = new Date(await this.#deps.jobs.now()).toISOString();
    const details = { toolCallId, effectiveArgs: args, argsHash: hashOf(args), status };
    const entry = { at, event: 'executed' as const, by: null, client: null, details };
    await this.#deps.approvals.addAudit(allowed.actionId, `${toolCallId}:executed`, entry);
  }

  /** A generation ended: the last webhook. */
  async finished(job: Job, facts: JsonObject): Promise<void> {
    await this.#webhook('generation.finished', job, { key: job.generationId, facts });
  }

  /** Appends unless it is there; whoever has a higher fence sees to it instead. */
  async #tell(job: Job, body: EventBody): Promise<void> {
    const { hub, transport, jobs } = this.#deps;
    const { generationId, fence } = job;
    const view = await hub.refresh(generationId);
    if (!view || isTold(view.fold, body)) return;
    // Where lost entries stood nothing may be written under their fence: LogRepair takes a new one.
    if (view.head.seq === 0 || (job.status === 'paused' && view.head.seq < job.logged)) return;
    const at = new Date(await jobs.now()).toISOString();
    await appendAt(transport, { generationId, fence, head: view.head.seq, at }, [body]);
  }

  async #webhook(
    event: WebhookEvent,
    job: Job,
    { key, facts }: { key: string; facts: JsonObject },
  ): Promise<void> {
    const now = await this.#deps.jobs.now();
    await this.#deps.outbox.put(webhookItem(event, job, { key, now, facts }));
    this.#deps.outboxChanged();
  }
}

function answeredAction(job: Job, actionId: string): PendingAction | undefined {
  const action = 'answered' in job ? job.answered?.action : undefined;
  return action?.actionId === actionId ? action : undefined;
}

function isTold(fold: MessageFold, body: EventBody): boolean {
  if (body.type === 'pending_action') return fold.knowsAction(body.action.actionId);
  if (body.type === 'action_expiring') {
    return fold.knowsWarning(body.actionId) || !fold.knowsAction(body.actionId);
  }
  if (body.type === 'action_resolved') return fold.pendingAction?.actionId !== body.actionId;
  return false;
}
