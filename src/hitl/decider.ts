import type { AgentCatalog, AgentRunner } from '../agent/agent-runner.ts';
import { AppError, notFound } from '../errors.ts';
import type { Log } from '../lib/log.ts';
import type { ConversationStore } from '../stream/conversation-store.ts';
import type { Finaliser } from '../stream/finaliser.ts';
import type { Decider as Person, Resumed, ResumeRequest, Target } from '../stream/generations.ts';
import { carryOut } from '../stream/job-command.ts';
import { usesSlot, type Job, type PausedJob } from '../stream/job.ts';
import type { JobStore } from '../stream/job-store.ts';
import type { Resolution, Verdict } from '../stream/pending-action.ts';
import type { ApprovalLifecycle } from './approval-lifecycle.ts';
import { mayDecide, maySee, policyFor } from './deciders.ts';
import { expireCommand, isExpired, resolutionOf } from './pending.ts';
import { checkVerdict, normalise, verdictHash, type GivenVerdict } from './verdict.ts';

export interface DeciderDeps {
  jobs: JobStore;
  conversations: Pick<ConversationStore, 'get'>;
  runner: Pick<AgentRunner, 'checkArgs'>;
  catalog: Pick<AgentCatalog, 'knows'>;
  approvals: ApprovalLifecycle;
  finaliser: Finaliser;
  log: Log;
  driver: string;
  leaseTtl: number;
  maxPerOwner: number;
  /** There is something to claim. */
  offer(): void;
}

/** Takes people's answers: the ladder of PROTOCOL.md section 4, in its order. A refusal changes nothing. */
export class Decider {
  readonly #deps: DeciderDeps;

  constructor(deps: DeciderDeps) {
    this.#deps = deps;
  }

  async resume(by: Person, request: ResumeRequest): Promise<Resumed> {
    // Each turn begins with what is really there: whoever lost a race meets the winner's outcome.
    for (;;) {
      const job = await this.#find(by, request, request.actionId);
      const resolution = resolutionOf(job, request.actionId);
      if (resolution) return repeated(job, resolution, { by, request });
      const paused = pendingOrThrow(job, request.actionId);
      if (!mayDecide(paused, by))
        throw new AppError('FORBIDDEN', 'Somebody else must decide this.');
      if (!(await this.#refuseExpired(paused))) continue;
      const verdict = this.#check(paused, request);
      await this.#refuseFull(paused);
      const decided = await this.#decide(paused, verdict, by);
      if (decided) return resumed(decided, false);
    }
  }

  /** The generation that is meant, if this person may know of it. */
  async #find(by: Person, target: Target, actionId: string): Promise<Job> {
    const { jobs, conversations } = this.#deps;
    if ('generationId' in target) {
      const job = await jobs.get(target.generationId);
      if (!job || !maySee(job, by)) throw notFound('generation');
      return job;
    }
    const { conversationId } = target;
    if (!(await conversations.get(conversationId))) throw notFound('conversation');
    const all = await jobs.allOf(conversationId);
    const meant = all.find((job) => hasAction(job, actionId));
    const live = await jobs.liveOf(conversationId);
    const job = meant ?? live.find((it) => it.lane === 'active') ?? all.at(-1);
    if (!job || !maySee(job, by)) throw notFound('conversation');
    return job;
  }

  /**
   * True: there is still time. Expiry is driven at once, so that readers have their terminal event when the late answer
   * is refused. False: it is over, but by something else that was first.
   */
  async #refuseExpired(job: PausedJob): Promise<boolean> {
    const { jobs, finaliser, driver, leaseTtl } = this.#deps;
    const now = await jobs.now();
    if (!isExpired(job.action, now)) return true;
    const command = expireCommand(job, { driver, leaseTtl, now });
    const expired = await carryOut(jobs, job.generationId, command);
    if (expired.outcome === 'refused') return false;
    if (expired.job.status === 'finalizing') await finaliser.see(expired.job);
    this.#deps.offer();
    throw new AppError('ACTION_EXPIRED', 'It was not answered in time.', {
      details: { actionId: job.action.actionId, expiresAt: job.action.expiresAt },
    });
  }

  #check(job: PausedJob, given: GivenVerdict): Verdict {
    const { runner, catalog } = this.#deps;
    const { spec } = job;
    const checked = checkVerdict(job.action, given, (name, args, shown) =>
      runner.checkArgs(spec, { name, args, ...(shown && { argsSchema: shown }) }),
    );
    if ('refusal' in checked) {
      const { code, message, details } = checked.refusal;
      throw new AppError(code, message, { details });
    }
    const policies = [spec.policy, policyFor(spec, job.action)];
    if (!catalog.knows(spec) && !policies.every(({ agent }) => agent.allowChangedAgent)) {
      throw new AppError('AGENT_CHANGED', 'The agent was changed after this was asked.', {
        details: { agentId: spec.agentId },
      });
    }
    return checked.verdict;
  }

  async #refuseFull(job: PausedJob): Promise<void> {
    const { jobs, maxPerOwner } = this.#deps;
    const live = await jobs.liveByOwner(job.owner, maxPerOwner * 2 + 100);
    if (live.filter(usesSlot).length < maxPerOwner) return;
    throw new AppError('TOO_MANY_GENERATIONS', 'Too many answers are being made at once.', {
      details: { limit: maxPerOwner },
      headers: { 'Retry-After': '5' },
    });
  }

  /** T5: recorded and queued in one write; undefined: something else was first. */
  async #decide(job: PausedJob, verdict: Verdict, by: Person): Promise<Job | undefined> {
    const { jobs, approvals, log } = this.#deps;
    const { generationId, action } = job;
    const { actionId } = action;
    const now = await jobs.now();
    const resolution = {
      actionId,
      outcome: 'decided' as const,
      verdict,
      verdictHash: verdictHash(verdict),
      decidedBy: by.userId,
      decidedAt: new Date(now).toISOString(),
      client: by.client,
    };
    const decided = await carryOut(jobs, generationId, { type: 'decide', resolution, now });
    if (decided.outcome !== 'moved') return undefined;
    log.info({ generationId, actionId, kind: action.kind }, 'action decided');
    await this.#tell(decided.job, actionId, approvals);
    this.#deps.offer();
    return decided.job;
  }

  /** The decision is durable; what follows from it is done again by the next driver if it fails here. */
  async #tell(job: Job, actionId: string, approvals: ApprovalLifecycle): Promise<void> {
    try {
      await approvals.settle(job);
      await approvals.announceDecision(job, actionId);
    } catch (err) {
      this.#deps.log.warn({ err, generationId: job.generationId }, 'decision is announced later');
    }
  }
}

function hasAction(job: Job, actionId: string): boolean {
  return (
    (job.status === 'paused' && job.action.actionId === actionId) ||
    resolutionOf(job, actionId) !== undefined
  );
}

function pendingOrThrow(job: Job, actionId: string): PausedJob {
  if (job.status !== 'paused')
    throw new AppError('NO_PENDING_ACTION', 'Nothing waits for an answer.');
  if (job.action.actionId !== actionId) {
    throw new AppError('STALE_ACTION', 'Another action is pending.', {
      details: { actionId: job.action.actionId },
    });
  }
  return job;
}

/** The identical verdict by the same person is no second one. */
function repeated(
  job: Job,
  resolution: Resolution,
  { by, request }: { by: Person; request: GivenVerdict },
): Resumed {
  const { actionId, outcome, decidedBy, decidedAt, verdict } = resolution;
  const given = normalise(request, verdict);
  const same = given !== undefined && verdictHash(given) === resolution.verdictHash;
  if (outcome === 'decided' && decidedBy === by.userId && same) return resumed(job, true);
  throw new AppError('ACTION_ALREADY_RESOLVED', 'It was resolved before.', {
    details: { actionId, outcome, decidedBy, decidedAt },
  });
}

function resumed({ generationId, conversationId }: Job, again: boolean): Resumed {
  return {
    generationId,
    streamId: generationId,
    conversationId,
    status: 'resuming',
    repeated: again,
  };
}
