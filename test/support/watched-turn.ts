import { getJson, request, type Turn, turnOf } from './api.ts';
import { actionIdOf, callId, callsOf, resume, within } from './race-client.ts';
import type { Random } from './random.ts';
import { isShape, object, type Shape, text } from './shape.ts';
import { type ReadResult, readWithResume } from './sse-client.ts';
import type { Frame } from './sse-parser.ts';

/** What came of a turn that is read at one place, and when. */
export class WatchedTurn {
  readonly turn: Turn;
  readonly baseUrl: string;
  readonly read: Promise<ReadResult>;
  /** Epoch ms of the newest frame. */
  lastAt = 0;
  /** The longest time between two frames, ms. */
  longestSilence = 0;
  readonly #frames: Frame[] = [];
  readonly #waiting = new Set<() => void>();
  #over: Error | undefined;

  constructor(baseUrl: string, turn: Turn, signal: AbortSignal) {
    this.baseUrl = baseUrl;
    this.turn = turn;
    const path = turn.streamPath;
    const onFrame = (frame: Frame): void => this.#frame(frame);
    this.read = readWithResume({ baseUrl, path, signal, onFrame });
    this.read.then(
      () => this.#end(new Error(`${turn.generationId} is over`)),
      (error: unknown) => this.#end(new Error(`${turn.generationId} failed`, { cause: error })),
    );
  }

  get frames(): readonly Frame[] {
    return this.#frames;
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  /** The first frame of which `is` holds, also of those that have come already. */
  async sees(what: string, is: (frame: Frame) => boolean, patience = 30_000): Promise<Frame> {
    return within(this.#first(is), patience, () => `${what} of ${this.turn.generationId}`);
  }

  async #first(is: (frame: Frame) => boolean): Promise<Frame> {
    for (let from = 0; ;) {
      const found = this.#frames.slice(from).find(is);
      if (found) return found;
      from = this.#frames.length;
      if (this.#over) throw this.#over;
      await new Promise<void>((wake) => this.#waiting.add(wake));
    }
  }

  seesEvent(event: string, patience?: number): Promise<Frame> {
    return this.sees(event, (frame) => frame.event === event, patience);
  }

  /** Resolves with the ms from `moment` to the first frame after those `known`, or at once at the end. */
  async goesOn(known: number, moment: number): Promise<number> {
    if (this.#frames.length <= known && !this.#over) {
      await this.sees('more', () => this.#frames.length > known);
    }
    return Math.max(0, Date.now() - moment);
  }

  #frame(frame: Frame): void {
    const now = Date.now();
    if (this.lastAt > 0) this.longestSilence = Math.max(this.longestSilence, now - this.lastAt);
    this.lastAt = now;
    this.#frames.push(frame);
    this.#wake();
  }

  #end(why: Error): void {
    this.#over = why;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/**
 * Sends a turn as a client of a balancer does: the same request again after a broken connection or a 503. Any other
 * refusal is a failure.
 */
export async function send(baseUrl: string, body: Shape, patience = 30_000): Promise<Turn> {
  const deadline = Date.now() + patience;
  for (;;) {
    const answer = await request(baseUrl, { path: '/api/chat', body }).catch(() => undefined);
    if (answer?.status === 202) return turnOf(answer.json);
    const again = answer === undefined || answer.status === 503;
    if (!again) throw new Error(`POST /api/chat: ${answer.status} ${answer.text}`);
    if (Date.now() > deadline) throw new Error(`never accepted: ${answer?.text}`);
    await new Promise((later) => setTimeout(later, 50));
  }
}

export type Answer = (action: Shape) => Shape;

/** Says yes to everything, and of a tool whose outcome is not known that it did its work. */
export const APPROVE: Answer = (action) => {
  const said =
    action['kind'] === 'recovery'
      ? { decision: 'done', responseText: 'it was done' }
      : { decision: 'approve' };
  return said;
};

const RECOVERIES = ['done', 'retry', 'skip'] as const;

/** Says yes, and to a question about a tool whose outcome is not known any of the answers there are. */
export function anyway(random: Random): Answer {
  return (action) => {
    if (action['kind'] !== 'recovery') return APPROVE(action);
    const decision = RECOVERIES[random.between(0, RECOVERIES.length - 1)] ?? 'done';
    return { decision, ...(decision === 'done' && { responseText: 'it was done' }) };
  };
}

/** The body of an answer that says the same of every call. */
export function bodyOf(action: Shape, answer: Answer): Shape {
  const decisions = callsOf(action).map((call) => ({
    toolCallId: callId(call),
    ...answer(action),
  }));
  const { generationId, actionId } = action;
  return { generationId, actionId, decisions };
}

/**
 * Answers at `baseUrl` whatever the generation asks until it is over, and resolves with how it ended. Repeats after a
 * broken connection; a question that was answered by somebody else meanwhile is no failure.
 */
export async function seeThrough(
  baseUrl: string,
  {
    watched,
    answer,
    accepted = () => {},
  }: {
    watched: WatchedTurn;
    answer: Answer;
    /** Told of each answer that was accepted, with its body. */
    accepted?: (body: Shape) => void;
  },
): Promise<ReadResult> {
  const { conversationId, generationId } = watched.turn;
  const deadline = Date.now() + 60_000;
  while (!watched.isOver) {
    const status = await getJson(baseUrl, `/api/chat/status/${conversationId}`);
    const generation = isShape(status['generation']) ? status['generation'] : {};
    const { pendingAction } = generation;
    if (generation['generationId'] === generationId && isShape(pendingAction)) {
      const body = bodyOf(pendingAction, answer);
      if (await decide(baseUrl, body)) accepted(body);
    }
    if (Date.now() > deadline) {
      throw new Error(`${generationId} is stuck: ${text(generation['status'] ?? 'no status')}`);
    }
    await new Promise((later) => setTimeout(later, 150));
  }
  return watched.read;
}

/** It was answered meanwhile: by a repeat of ours, or by a result that came late. */
const LATE = new Set(['STALE_ACTION', 'NO_PENDING_ACTION', 'ACTION_ALREADY_RESOLVED']);

/** False: somebody else was first. */
async function decide(baseUrl: string, body: Shape): Promise<boolean> {
  const said = await resume(baseUrl, body);
  if (said.status === 202 || said.status === 200) return true;
  const code = object(said.json['error'])['code'];
  if (said.status !== 409 || !LATE.has(text(code)))
    throw new Error(`resume: ${said.status} ${said.text}`);
  return false;
}

/** The action a turn asks about. */
export async function askedOf(watched: WatchedTurn): Promise<Shape> {
  const action = object((await watched.seesEvent('pending_action')).data['action'], 'action');
  actionIdOf(action);
  return action;
}
