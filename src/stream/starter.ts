import type { AgentCatalog } from '../agent/agent-runner.ts';
import type { RunSpec } from '../agent/run-spec.ts';
import { AppError, isUnavailable, notFound } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Ids } from '../lib/ids.ts';
import type { Log } from '../lib/log.ts';
import { KeyedMutex } from '../lib/keyed-mutex.ts';
import type { Admission } from './admission.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { EventTransport } from './event-transport.ts';
import type { AgainRequest, Started, StartRequest } from './generations.ts';
import type { Again, Job, Owner, QueuedJob } from './job.ts';
import type { JobStore } from './job-store.ts';
import type { LastAnswer } from './last-answer.ts';
import { appendAt } from './log-append.ts';
import type { StreamMetrics } from './metrics.ts';
import type { Opening } from './opening.ts';
import { conversationBusy } from './owned.ts';
import type { RunQueue } from './run-queue.ts';
import { attach, keyOf, started, type Repeat } from './started.ts';
import { steer } from './steering.ts';
import type { Stopper } from './stopper.ts';
import { againFor, saidIn, type AgainTurn } from './turn-again.ts';
import { conversationFor, messageIdFor, placeFor } from './turn-place.ts';

export interface StarterDeps {
  jobs: JobStore;
  transport: EventTransport;
  conversations: ConversationStore;
  catalog: AgentCatalog;
  admission: Pick<Admission, 'turn'>;
  opening: Opening;
  queue: RunQueue;
  stopper: Stopper;
  lastAnswer: Pick<LastAnswer, 'letGo'>;
  clock: Clock;
  ids: Ids;
  metrics: StreamMetrics;
  log: Log;
  maxPerOwner: number;
}

interface Asked {
  owner: Owner;
  request: StartRequest;
  key: string;
  /** The user's message is there already. */
  turn?: AgainTurn;
}

interface Turn extends Asked {
  /** As it may be kept. */
  text: string;
  spec: RunSpec;
}

/** Submits turns (T1): idempotent by key, one active generation per conversation, answered before any model work. */
export class Starter {
  readonly #deps: StarterDeps;
  /** Turns of one conversation are placed one after the other, so that each knows its parent. */
  readonly #mutex = new KeyedMutex();

  constructor(deps: StarterDeps) {
    this.#deps = deps;
  }

  async start(owner: Owner, request: StartRequest): Promise<Started> {
    const { jobs, ids } = this.#deps;
    const key = keyOf(owner, request.idempotencyKey ?? request.messageId ?? ids.sortable('key'));
    const known = await jobs.byIdempotencyKey(key);
    if (known) return this.#attach(known, { ...request, key });
    return this.#begin({ owner, request, key });
  }

  async again(owner: Owner, wanted: AgainRequest): Promise<Started> {
    const { jobs, ids } = this.#deps;
    const key = keyOf(owner, wanted.idempotencyKey ?? ids.sortable('key'));
    const known = await jobs.byIdempotencyKey(key);
    if (known) return this.#attach(known, { ...wanted, key });
    const { kind: _kind, target: _target, ...given } = wanted;
    await conversationFor(this.#deps, owner, given);
    const turn = await againFor(this.#deps, wanted);
    const { asked } = turn.again;
    const text = saidIn(asked);
    const { parentMessageId } = asked;
    const request = { ...given, text, parentMessageId, files: [], temporary: false };
    return this.#begin({ owner, request, key, turn });
  }

  async #begin(asked: Asked): Promise<Started> {
    const turn = await this.#admitted(asked);
    const { conversationId } = asked.request;
    if (conversationId === undefined) return this.#place(turn);
    return this.#mutex.run(conversationId, () => this.#place(turn));
  }

  async #admitted(asked: Asked): Promise<Turn> {
    const { admission, conversations, catalog, clock } = this.#deps;
    const { owner, request } = asked;
    const { timezone = null, metadata } = request;
    const conversation = await conversationFor(this.#deps, owner, request);
    const { text, files, agentId, route } = await admission.turn({
      owner,
      request,
      conversation,
      lastAgentId: async () =>
        asked.turn?.agentId ??
        (conversation && (await conversations.lastMessage(conversation.conversationId))?.agentId),
    });
    const anchor = conversation?.createdAt ?? new Date(clock.now()).toISOString();
    const spec = catalog.freeze({ agentId, timezone, anchor, route, files, metadata });
    if (!spec) throw notFound('agent');
    return { ...asked, text, spec };
  }

  async #place(turn: Turn): Promise<Started> {
    const { jobs, lastAnswer, maxPerOwner } = this.#deps;
    const { request } = turn;
    const job = await this.#job(turn);
    let inserted = await jobs.insert(job, { maxPerOwner });
    if (inserted.outcome === 'busy' && (await lastAnswer.letGo(inserted.job))) {
      inserted = await jobs.insert(job, { maxPerOwner });
    }
    if (inserted.outcome === 'busy') {
      if (request.onBusy === 'reject') throw conversationBusy(inserted.job);
      const { messageId } = job.input;
      const steered =
        request.onBusy === 'steer' && (await steer(jobs, { ...turn, messageId }, inserted.job));
      if (steered) return steered;
      inserted = await jobs.insert({ ...job, lane: 'waiting' }, { maxPerOwner });
    }
    switch (inserted.outcome) {
      case 'duplicate':
        return this.#attach(inserted.job, { ...request, key: turn.key });
      case 'busy':
        throw conversationBusy(inserted.job);
      case 'limit':
        throw new AppError(
          'TOO_MANY_GENERATIONS',
          'Too many answers are being made for you at once.',
          {
            details: { limit: maxPerOwner },
            headers: { 'Retry-After': '5' },
          },
        );
      case 'inserted':
        return this.#submitted(inserted.job, request);
      default:
        return inserted satisfies never;
    }
  }

  /** Who took it first may have died before anybody heard of it. */
  #attach(job: Job, request: Repeat): Started {
    const attached = attach(job, request);
    if (job.status === 'queued') this.#deps.queue.poke();
    return attached;
  }

  async #submitted(job: QueuedJob, request: StartRequest): Promise<Started> {
    const { opening, queue, stopper, metrics } = this.#deps;
    if (!(await opening.save(job))) {
      await stopper.stop(job.generationId, { type: 'abort', by: null });
      await this.#deps.transport.drop(job.generationId);
      await this.#deps.jobs.deleteConversation(job.conversationId);
      throw notFound('conversation');
    }
    await this.#createLog(job);
    metrics.generationStarted();
    if (job.lane === 'waiting' && request.onBusy === 'interrupt') await this.#interrupt(job);
    const waits = await this.#announceWait(job);
    queue.offer();
    return started(job, waits ? 'queued' : 'started');
  }

  /** The turn is durable by its record: where the log's store is out of reach, its driver makes the log. */
  async #createLog(job: QueuedJob): Promise<void> {
    try {
      await this.#deps.opening.createLog(job, 0);
    } catch (err) {
      if (!isUnavailable(err)) throw err;
      this.#deps.log.warn({ err, generationId: job.generationId }, 'no log yet');
    }
  }

  /** Everything of the conversation that came before this turn makes way for it. */
  async #interrupt(job: QueuedJob): Promise<void> {
    const { jobs, stopper } = this.#deps;
    for (const other of await jobs.liveOf(job.conversationId)) {
      if (other.generationId === job.generationId) break;
      await stopper.stop(other.generationId, { type: 'supersede', by: job.owner.userId });
    }
    await stopper.promoteNext(job.conversationId);
  }

  /** Tells readers of its place when it can't begin at once. */
  async #announceWait(job: QueuedJob): Promise<boolean> {
    const position = await this.#position(job);
    if (position === 0) return false;
    const { generationId } = job;
    const at = new Date(this.#deps.clock.now()).toISOString();
    const place = { generationId, fence: 0, head: 1, at };
    try {
      // Refused where it was claimed meanwhile: then it does not wait.
      await appendAt(this.#deps.transport, place, [{ type: 'queued', position }]);
    } catch (err) {
      if (!isUnavailable(err)) throw err;
    }
    return true;
  }

  async #position(job: QueuedJob): Promise<number> {
    const { jobs, queue } = this.#deps;
    const now = await jobs.get(job.generationId);
    if (now?.status !== 'queued') return 0;
    if (now.lane === 'waiting') {
      const live = await jobs.liveOf(job.conversationId);
      return Math.max(
        live.findIndex((other) => other.generationId === job.generationId),
        1,
      );
    }
    const position = await jobs.queuePosition(job.generationId);
    return position > queue.free ? position - Math.max(queue.free, 0) : 0;
  }

  async #job({ owner, request, key, text, spec, turn }: Turn): Promise<QueuedJob> {
    const { ids, jobs } = this.#deps;
    const place = await placeFor(this.#deps, owner, request);
    const createdAt = await jobs.now();
    return {
      status: 'queued',
      reason: 'new',
      queuedAt: createdAt,
      answered: null,
      generationId: ids.sortable('gen'),
      conversationId: place.conversationId,
      owner: { tenantId: owner.tenantId, userId: owner.userId },
      idempotencyKey: key,
      request: { hash: request.bodyHash, conversationId: request.conversationId ?? null },
      input: {
        ...(turn
          ? thereAlready(turn.again)
          : { messageId: await messageIdFor(this.#deps, place, request.messageId), text }),
        parentMessageId: place.parentMessageId,
        responseMessageId: ids.sortable('msg'),
        newConversation: place.fresh,
        follows: request.parentMessageId === undefined,
        temporary: place.temporary,
      },
      spec,
      lane: 'active',
      fence: 0,
      version: 1,
      attempts: 0,
      revision: 0,
      ledger: [],
      resolutions: [],
      createdAt,
      startedAt: null,
    };
  }
}

function thereAlready(again: Again): Pick<QueuedJob['input'], 'messageId' | 'text' | 'again'> {
  const { asked } = again;
  return { messageId: asked.messageId, text: saidIn(asked), again };
}
