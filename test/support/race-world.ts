import { isLive, type Job } from '../../src/stream/job.ts';
import type { PendingAction, Resolution } from '../../src/stream/pending-action.ts';
import { ALICE, closeStores, Heart, memoryStores, aRequest, type Stores } from './heart.ts';
import { approvalAsked, AS_ALICE, CALLS, standingAtPause } from './paused.ts';
import { Gauge, jitteredStores, turnOfLoop } from './race-stores.ts';
import { seeded, type Random } from './random.ts';
import type { ScriptedRun } from './scripted-runner.ts';

/** Shorter than a lease, so that time can pass an action without taking it from a driver. */
export const TTL = 5_000;

interface Place {
  generationId: string;
  conversationId: string;
  action: PendingAction;
}

function inMemory(): { stores: Stores; turn: () => Promise<void> } {
  return { stores: memoryStores(), turn: turnOfLoop };
}

/** Two replicas on one set of stores, a generation that waits in one of them, and agents that play by themselves. */
export class RaceWorld {
  readonly random: Random;
  readonly gauge: Gauge;
  readonly stores: Stores;
  readonly #turn: () => Promise<void>;
  readonly hearts: readonly [Heart, Heart];
  /** Each real execution of a call. */
  readonly effects: { generationId: string; toolCallId: string }[] = [];
  readonly #played = new Set<ScriptedRun>();
  #over = false;
  readonly #pump: Promise<void>;

  /** `turn`: waits a moment, in which stores that are asked over a network may answer. */
  constructor(seed: number, at: { stores: Stores; turn: () => Promise<void> } = inMemory()) {
    this.random = seeded(seed);
    this.stores = at.stores;
    this.#turn = at.turn;
    this.gauge = new Gauge(at.turn);
    const heart = (driver: string): Heart =>
      new Heart(
        this.stores,
        { driver, approvalTtl: TTL, warnBefore: 1_000 },
        jitteredStores(this.stores, this.random.between(1, 2 ** 30), this.gauge),
      );
    this.hearts = [heart('a'), heart('b')];
    const [first, second] = this.hearts;
    second.runner.standing = first.runner.standing;
    this.#pump = this.#playAll();
  }

  anyHeart(): Heart {
    return this.random.next() < 0.5 ? this.hearts[0] : this.hearts[1];
  }

  get runs(): ScriptedRun[] {
    return this.hearts.flatMap(({ runner }) => runner.runs);
  }

  /** `early`: known only from the record, and perhaps not announced yet. */
  async pause({ early }: { early: boolean }): Promise<Place> {
    const started = await this.anyHeart().api.start(ALICE, aRequest());
    const { generationId } = started;
    for (;;) {
      const job = await this.job(generationId);
      if (job.status === 'paused') {
        if (!early) await this.gauge.quiet();
        return { ...started, action: job.action };
      }
      if (job.status === 'finished') throw new Error(`never paused: ${JSON.stringify(job.error)}`);
      await this.#turn();
    }
  }

  async job(generationId: string): Promise<Job> {
    const job = await this.stores.jobs.get(generationId);
    if (!job) throw new Error('no such job');
    return job;
  }

  async resolutions(generationId: string): Promise<Resolution[]> {
    return (await this.job(generationId)).resolutions;
  }

  async live(conversationId: string): Promise<Job[]> {
    return (await this.stores.jobs.allOf(conversationId)).filter(isLive);
  }

  /** Every entry of a log, parsed. */
  async log(generationId: string): Promise<Record<string, unknown>[]> {
    const range = { after: 0, limit: 10_000, maxBytes: 10_000_000 };
    const read = await this.stores.transport.read(generationId, range);
    return (read?.events ?? []).map(({ type, data }) => {
      const body: Record<string, unknown> = JSON.parse(data);
      return { type, ...body };
    });
  }

  async pendingApprovals(): Promise<number> {
    const page = { limit: 10, cursor: undefined };
    return (await this.hearts[0].core.approvals.pending(AS_ALICE, page)).items.length;
  }

  /** Errors that a heart logged: a race is nothing to complain about. */
  get complaints(): string[] {
    return this.hearts.flatMap(({ logged }) =>
      logged
        .filter(({ level }) => level === 'error')
        .map(({ message, fields }) => `${message} ${JSON.stringify(fields)}`),
    );
  }

  async close(): Promise<void> {
    this.#over = true;
    await this.#pump;
    for (const heart of this.hearts) await heart.close();
    closeStores(this.stores);
  }

  async #playAll(): Promise<void> {
    while (!this.#over) {
      for (const run of this.runs) {
        if (this.#played.has(run)) continue;
        this.#played.add(run);
        void this.gauge.count(() => this.#play(run).catch(() => run.end()));
      }
      await this.#turn();
    }
  }

  /** Asks, or does what was decided: the ledger is asked before each effect, as the real tools do. */
  async #play(run: ScriptedRun): Promise<void> {
    const { entry, history } = run.request;
    if (entry.kind === 'start') {
      if (history.length === 1) return this.#ask(run);
      run.say('a new turn');
      return run.end();
    }
    const verdict = entry.answered?.verdict;
    const decisions = verdict && 'decisions' in verdict ? verdict.decisions : [];
    for (const { toolCallId, decision, editedArgs } of decisions) {
      const asked = CALLS.find((call) => call.toolCallId === toolCallId);
      if (!asked) throw new Error(`nobody asked for ${toolCallId}`);
      const runs = decision === 'approve' || decision === 'edit';
      if (runs) await this.#execute(run, { ...asked, args: editedArgs ?? asked.args });
      const status = runs ? 'ok' : 'rejected';
      run.push({ type: 'event', body: { type: 'tool_result', toolCallId, status, output: 'o' } });
    }
    run.end();
  }

  async #execute(run: ScriptedRun, call: (typeof CALLS)[number]): Promise<void> {
    const { generationId, ledger } = run.request;
    const { go } = await ledger.start({ ...call, effects: 'unsafe' });
    if (go === 'run') this.effects.push({ generationId, toolCallId: call.toolCallId });
    await ledger.done(call.toolCallId, { status: 'ok', output: 'o' });
  }

  #ask(run: ScriptedRun): void {
    const { generationId } = run.request;
    this.hearts[0].runner.standing.set(generationId, standingAtPause());
    run.say('shall', ' I');
    for (const [index, { toolCallId, name, args }] of CALLS.entries()) {
      run.push({ type: 'event', body: { type: 'tool_call', part: index + 1, toolCallId, name } });
      run.push({ type: 'event', body: { type: 'tool_ready', toolCallId, name, args } });
    }
    run.push({ type: 'pause', pause: approvalAsked() });
  }
}
