import { existsSync, readFileSync } from 'node:fs';
import { type ApiAnswer, request, startTurn, type Turn } from './api.ts';
import { isShape, list, object, type Shape, text } from './shape.ts';
import { type ReadResult, readWithResume } from './sse-client.ts';
import type { Frame } from './sse-parser.ts';

/** A client in front of a turn that waits for people: reads all the while, over any number of connections. */
export class WaitingTurn {
  readonly turn: Turn;
  readonly baseUrl: string;
  /** In order, each event once, also where a restart showed it again. */
  readonly read: Promise<ReadResult>;
  readonly #actions: Shape[] = [];
  readonly #resolved = new Map<string, Shape>();
  readonly #waiting = new Set<() => void>();
  readonly #heard: string[] = [];
  #over = false;

  constructor(baseUrl: string, turn: Turn, signal: AbortSignal) {
    this.baseUrl = baseUrl;
    this.turn = turn;
    const options = { baseUrl, path: turn.streamPath, signal, retryOn: [503] };
    this.read = readWithResume({ ...options, onFrame: (frame) => this.#frame(frame) });
    this.read.catch(() => {}).finally(() => this.#end());
  }

  static async start(
    baseUrl: string,
    { body, signal }: { body: Shape; signal: AbortSignal },
  ): Promise<WaitingTurn> {
    return new WaitingTurn(baseUrl, await startTurn(baseUrl, body), signal);
  }

  /** How an action ended, as the stream told it. */
  resolved(actionId: string): Shape | undefined {
    return this.#resolved.get(actionId);
  }

  /** The first thing it asked, whatever became of it. */
  async asked(): Promise<Shape | undefined> {
    return (await this.action()) ?? this.#actions[0];
  }

  /** The first action that has not ended and was not `seen`; undefined: the stream is over, there is none. */
  async action(seen: ReadonlySet<string> = new Set()): Promise<Shape | undefined> {
    for (;;) {
      const open = this.#actions.find((action) => {
        const id = actionIdOf(action);
        return !this.#resolved.has(id) && !seen.has(id);
      });
      if (open || this.#over) return open;
      await new Promise<void>((wake) => this.#waiting.add(wake));
    }
  }

  /** What came so far, for the message of a failure. */
  get heard(): string {
    return `${this.turn.generationId} by ${this.baseUrl} told [${this.#heard.join(' ')}]`;
  }

  #frame({ event, id, data }: Frame): void {
    this.#heard.push(`${id}:${event}`);
    if (event === 'pending_action') this.#pending(object(data['action'], 'action'));
    if (event === 'action_resolved') this.#resolved.set(text(data['actionId']), data);
    const state = event === 'sync' || event === 'reset' ? object(data['state']) : {};
    if (isShape(state['pendingAction'])) this.#pending(state['pendingAction']);
    this.#wake();
  }

  #pending(action: Shape): void {
    const id = actionIdOf(action);
    if (!this.#actions.some((known) => actionIdOf(known) === id)) this.#actions.push(action);
  }

  #end(): void {
    this.#over = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

export function actionIdOf(action: Shape): string {
  return text(action['actionId'], 'actionId');
}

/** Calls of an approval or a recovery question; [] of questions to the user. */
export function callsOf(action: Shape): Shape[] {
  return isShape(action) && 'requests' in action ? list(action['requests']).filter(isShape) : [];
}

export function callId(call: Shape): string {
  return text(call['toolCallId'], 'toolCallId');
}

export interface Said extends Shape {
  decision: string;
}

/** The same for every call. */
export function decideAll(action: Shape, said: Said): Shape {
  const decisions = callsOf(action).map((call) => ({ toolCallId: callId(call), ...said }));
  return { generationId: action['generationId'], actionId: action['actionId'], decisions };
}

export function resume(baseUrl: string, body: unknown): Promise<ApiAnswer> {
  return request(baseUrl, { path: '/api/chat/resume', body });
}

export interface LedgerLine {
  generationId: string;
  toolCallId: string;
  name: string;
  args: unknown;
}

/** What the demo tools really did, oldest first. */
export function ledgerLines(file: string): LedgerLine[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter(Boolean).map((line) => {
    const entry: LedgerLine = JSON.parse(line);
    return entry;
  });
}

export function within<T>(promise: Promise<T>, ms: number, what: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${ms} ms: ${what()}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
