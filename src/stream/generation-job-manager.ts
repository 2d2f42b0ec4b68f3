import { AppError, notFound } from '../errors.ts';
import type { ApprovalStore } from '../hitl/approval-store.ts';
import type { Decider as ActionDecider } from '../hitl/decider.ts';
import type { AgentRunner } from '../agent/agent-runner.ts';
import type { Admission } from './admission.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { EventTransport } from './event-transport.ts';
import type { Forker } from './forker.ts';
import type {
  Aborted,
  ActiveGeneration,
  AgainRequest,
  ConversationStatus,
  Decider,
  ForkRequest,
  Generations,
  ReadFrom,
  Resumed,
  ResumeRequest,
  Started,
  StartRequest,
  Subscribed,
  Target,
} from './generations.ts';
import type { Job, Owner } from './job.ts';
import type { JobStore } from './job-store.ts';
import type { LogHub } from './log-hub.ts';
import type { Look } from './look.ts';
import type { Conversation } from './message.ts';
import type { Link } from './message-tree.ts';
import { publicStatus, sameOwner } from './owned.ts';
import type { Starter } from './starter.ts';
import type { Stopper } from './stopper.ts';
import type { Subscriber } from './subscriber.ts';

export interface ManagerDeps {
  jobs: JobStore;
  transport: EventTransport;
  conversations: ConversationStore;
  runner: Pick<AgentRunner, 'prune'>;
  hub: LogHub;
  starter: Starter;
  forker: Forker;
  stopper: Stopper;
  decider: ActionDecider;
  admission: Pick<Admission, 'answer'>;
  approvals: Pick<ApprovalStore, 'deleteConversation'>;
  files: { deleteOfConversation(conversationId: string): Promise<void> };
  subscriber: Subscriber;
  look: Look;
  isDraining(): boolean;
}

/** The heart's face to the outside: checks whose it is, and hands on. */
export class GenerationJobManager implements Generations {
  readonly #deps: ManagerDeps;

  constructor(deps: ManagerDeps) {
    this.#deps = deps;
  }

  async start(owner: Owner, request: StartRequest): Promise<Started> {
    if (this.#deps.isDraining()) {
      throw shuttingDown();
    }
    return this.#deps.starter.start(owner, request);
  }

  async again(owner: Owner, request: AgainRequest): Promise<Started> {
    if (this.#deps.isDraining()) throw shuttingDown();
    return this.#deps.starter.again(owner, request);
  }

  fork(owner: Owner, request: ForkRequest): Promise<Conversation> {
    return this.#deps.forker.fork(owner, request);
  }

  async resume(by: Decider, request: ResumeRequest): Promise<Resumed> {
    if (this.#deps.isDraining()) throw shuttingDown();
    return this.#deps.decider.resume(by, await this.#deps.admission.answer(by, request));
  }

  async abort(owner: Owner, target: Target): Promise<Aborted> {
    const job = await this.#target(owner, target);
    if (!job) return { generationId: null, status: null, alreadyFinished: true };
    if ('generationId' in target) {
      const { moved, job: ended } = await this.#deps.stopper.stop(job.generationId, {
        type: 'abort',
        by: owner.userId,
      });
      return aborted(ended ?? job, moved);
    }
    const ended = await this.#deps.stopper.stopAll(job.conversationId, owner.userId);
    const first = ended.find((it) => it.moved);
    return aborted(first?.job ?? job, first !== undefined);
  }

  async liveAnswers(conversationId: string): Promise<Link[]> {
    const live = await this.#deps.jobs.liveOf(conversationId);
    return live.map(({ input }) => ({
      messageId: input.responseMessageId,
      parentMessageId: input.again?.continues ?? input.messageId,
    }));
  }

  status(owner: Owner, conversationId: string): Promise<ConversationStatus> {
    return this.#deps.look.status(owner, conversationId);
  }

  active(owner: Owner): Promise<ActiveGeneration[]> {
    return this.#deps.look.active(owner);
  }

  async subscribe(owner: Owner, streamId: string, from: ReadFrom): Promise<Subscribed> {
    const job = await this.#deps.jobs.get(streamId);
    if (!job || !sameOwner(job.owner, owner)) throw notFound('stream');
    return this.#deps.subscriber.subscribe(job, from);
  }

  async deleteConversation(owner: Owner, conversationId: string): Promise<void> {
    const { conversations } = this.#deps;
    const known = await conversations.get(conversationId);
    if (!known || !sameOwner(known.owner, owner)) throw notFound('conversation');
    await this.eraseConversation(conversationId, owner.userId);
  }

  /**
   * Condemned first, so that a deletion that is cut short is completed by the next scan. The tombstone comes between two
   * passes: a turn that slipped in before it is erased by the second, one that comes later finds its conversation gone.
   */
  async eraseConversation(conversationId: string, by: string): Promise<void> {
    const { conversations } = this.#deps;
    await conversations.condemn(conversationId);
    await this.#eraseRuns(conversationId, by);
    await conversations.delete(conversationId);
    await this.#eraseRuns(conversationId, by);
  }

  async #eraseRuns(conversationId: string, by: string): Promise<void> {
    const { jobs, transport, hub, runner, stopper } = this.#deps;
    await stopper.stopAll(conversationId, by);
    for (const { generationId } of await jobs.allOf(conversationId)) {
      await transport.drop(generationId);
      hub.forget(generationId);
      await runner.prune(generationId);
    }
    await this.#deps.approvals.deleteConversation(conversationId);
    await this.#deps.files.deleteOfConversation(conversationId);
    await jobs.deleteConversation(conversationId);
  }

  /** The generation that is meant; of a conversation the live one, else the last, else undefined. */
  async #target(owner: Owner, target: Target): Promise<Job | undefined> {
    const { jobs, conversations } = this.#deps;
    if ('generationId' in target) {
      const job = await jobs.get(target.generationId);
      if (!job || !sameOwner(job.owner, owner)) throw notFound('generation');
      return job;
    }
    const known = await conversations.get(target.conversationId);
    if (!known || !sameOwner(known.owner, owner)) throw notFound('conversation');
    const live = await jobs.liveOf(target.conversationId);
    return (
      live.find((job) => job.lane === 'active') ?? live[0] ?? jobs.latestOf(target.conversationId)
    );
  }
}

function aborted(job: Job, moved: boolean): Aborted {
  return { generationId: job.generationId, status: publicStatus(job), alreadyFinished: !moved };
}

function shuttingDown(): AppError {
  return new AppError('UNAVAILABLE', 'This server is shutting down.', {
    headers: { 'Retry-After': '1' },
  });
}
