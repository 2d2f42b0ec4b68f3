import type { JsonObject } from '../../src/lib/json.ts';
import type {
  AgentRunner,
  AttemptRef,
  RunnerEvent,
  RunRequest,
  Standing,
} from '../../src/agent/agent-runner.ts';

type Step = { event: RunnerEvent } | { end: true } | { fail: Error };

/** One run as the test plays it: says what the agent says, and when it ends. */
export class ScriptedRun {
  readonly request: RunRequest;
  readonly #steps: Step[] = [];
  #wake: (() => void) | undefined;

  constructor(request: RunRequest) {
    this.request = request;
    request.signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    request.drain.addEventListener('abort', () => this.#wake?.(), { once: true });
  }

  /** Words as text deltas of one part. */
  say(...words: string[]): void {
    for (const [index, text] of words.entries()) {
      this.push({
        type: 'event',
        body: {
          type: 'text_delta',
          part: this.part,
          text,
          ...(index === 0 && { call: `m${this.part}` }),
        },
      });
    }
  }

  part = 0;
  /** Ignores its signal, as a bad tool does. */
  deaf = false;

  push(event: RunnerEvent): void {
    this.#add({ event });
  }

  end(): void {
    this.#add({ end: true });
  }

  fail(error: Error): void {
    this.#add({ fail: error });
  }

  #add(step: Step): void {
    this.#steps.push(step);
    this.#wake?.();
  }

  async *play(): AsyncGenerator<RunnerEvent> {
    for (;;) {
      if (this.request.signal.aborted && !this.deaf) throw this.request.signal.reason;
      const step = this.#steps.shift();
      if (!step) {
        if (this.request.drain.aborted) {
          yield { type: 'handover' };
          return;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      if ('end' in step) return;
      if ('fail' in step) throw step.fail;
      yield step.event;
    }
  }
}

const NOTHING: Standing = { resumable: false, calls: [], results: [], steered: [] };

/** An AgentRunner whose runs a test plays by hand. */
export class ScriptedRunner implements AgentRunner {
  readonly runs: ScriptedRun[] = [];
  readonly pruned: string[] = [];
  standing = new Map<string, Standing>();
  /** Plays each run as it begins; none: the test does. */
  onRun: ((run: ScriptedRun) => void) | undefined;

  async adopt({ generationId }: AttemptRef): Promise<Standing> {
    return this.standing.get(generationId) ?? NOTHING;
  }

  run(request: RunRequest): AsyncIterable<RunnerEvent> {
    const run = new ScriptedRun(request);
    run.part = request.nextPart;
    this.runs.push(run);
    this.onRun?.(run);
    return run.play();
  }

  /** Arguments are wrong where they have a member `wrong`. */
  checkArgs(_spec: unknown, { args }: { args: JsonObject }): string | undefined {
    return 'wrong' in args ? 'The arguments are wrong.' : undefined;
  }

  async prune(generationId: string): Promise<void> {
    this.pruned.push(generationId);
  }

  /** The newest run. */
  get last(): ScriptedRun {
    const run = this.runs.at(-1);
    if (!run) throw new Error('nothing runs');
    return run;
  }
}
