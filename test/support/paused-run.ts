import { createCallPolicy } from '../../src/hitl/call-policy.ts';
import type { CallPolicy, PauseRequest, RunRequest } from '../../src/agent/agent-runner.ts';
import type { AnsweredPause } from '../../src/agent/agent-runner.ts';
import type { RunSpec } from '../../src/agent/run-spec.ts';
import { hashOf } from '../../src/lib/json.ts';
import type { Decision, PendingAction, Verdict } from '../../src/stream/pending-action.ts';
import { collect, testId } from './agent-run.ts';
import type { Bench, Outcome } from './agent-run.ts';

/** The real rulings of a frozen spec, without standing rules. */
export function policyOf(spec: RunSpec): CallPolicy {
  const owner = { tenantId: 't', userId: 'u' };
  return createCallPolicy({ owner, conversationId: 'c1', spec }, { rulesOf: async () => [] });
}

export function pauseIn({ error, events }: Outcome): PauseRequest {
  if (error !== undefined) throw new Error('the run failed', { cause: error });
  const last = events.at(-1);
  if (last?.type !== 'pause') throw new Error(`no pause, but ${JSON.stringify(last)}`);
  return last.pause;
}

/** The record that the heart makes of a pause. */
export function actionOf(
  { interruptId: _id, ...asked }: PauseRequest,
  revision = 1,
): PendingAction {
  const base = {
    actionId: `act${testId()}`,
    revision,
    generationId: 'g',
    conversationId: 'c1',
    createdAt: '2026-11-21T00:00:00.000Z',
    expiresAt: null,
  };
  if (asked.kind !== 'tool_approval') return { ...base, ...asked };
  const { kind, agentId } = asked;
  const requests = asked.requests.map((it) => ({ ...it, argsHash: hashOf(it.args) }));
  return { ...base, ...(agentId !== undefined && { agentId }), kind, requests };
}

export type Say = Omit<Decision, 'toolCallId'>;

/** One decision for each call, in their order; the last one for all that are left. */
export function decide(action: PendingAction, ...said: Say[]): Verdict {
  if (!('requests' in action)) throw new Error('these are no calls');
  return {
    decisions: action.requests.map(({ toolCallId }, index) => {
      return { toolCallId, ...(said[index] ?? said.at(-1) ?? { decision: 'approve' }) };
    }),
  };
}

/** A generation from claim to claim, as a worker drives it: each segment under the next fence. */
export class PausedRun {
  /** Another one is another process. */
  bench: Bench;
  request: RunRequest;
  outcome: Outcome | undefined;
  /** The newest pause, as a record. */
  action: PendingAction | undefined;
  answered: AnsweredPause | undefined;
  #interruptId = '';
  #revision = 0;

  constructor(bench: Bench, text: string, over: Partial<RunRequest> = {}) {
    this.bench = bench;
    const request = bench.request(text);
    this.request = { ...request, policy: policyOf(request.spec), ...over };
  }

  static async start(bench: Bench, text: string, over?: Partial<RunRequest>): Promise<PausedRun> {
    const run = new PausedRun(bench, text, over);
    await run.drive();
    return run;
  }

  async drive(over: Partial<RunRequest> = {}): Promise<Outcome> {
    const outcome = await collect(this.bench.runner.run({ ...this.request, ...over }));
    this.outcome = outcome;
    const last = outcome.events.at(-1);
    this.action = undefined;
    if (outcome.error === undefined && last?.type === 'pause') {
      this.#interruptId = last.pause.interruptId;
      this.action = actionOf(last.pause, (this.#revision += 1));
      this.answered = undefined;
    }
    return outcome;
  }

  get asked(): PendingAction {
    if (!this.action) throw new Error(`nothing is asked: ${String(this.outcome?.error)}`);
    return this.action;
  }

  get requests() {
    return this.action && 'requests' in this.action ? this.action.requests : [];
  }

  say(...said: Say[]): Promise<Outcome> {
    return this.answer(decide(this.asked, ...said));
  }

  answer(verdict: Verdict): Promise<Outcome> {
    this.note(verdict);
    return this.goOn();
  }

  /** Takes the answer; it is given with the next claim. */
  note(verdict: Verdict): void {
    this.answered = { interruptId: this.#interruptId, action: this.asked, verdict };
  }

  /** Adopts under the next fence and continues with the newest answer, if there is one. */
  async goOn(over: Partial<RunRequest> = {}): Promise<Outcome> {
    await this.adopt();
    return this.drive(over);
  }

  async adopt() {
    const fence = this.request.fence + 1;
    const standing = await this.bench.runner.adopt({ ...this.request, fence });
    const { answered } = this;
    const entry: RunRequest['entry'] = standing.resumable
      ? { kind: 'continue', ...(answered ? { answered } : {}) }
      : { kind: 'start' };
    this.request = { ...this.request, fence, entry, nextPart: this.request.nextPart + 20 };
    return standing;
  }
}

export const resultsIn = ({ bodies }: Outcome) =>
  bodies.flatMap((body) =>
    body.type === 'tool_result' ? [{ status: body.status, output: body.output }] : [],
  );
