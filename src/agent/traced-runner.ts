import { failureOf, type OpenSpan, type Tracer } from '../lib/tracing.ts';
import type { AgentRunner, AttemptRef, RunnerEvent, RunRequest } from './agent-runner.ts';

const ATTEMPT = 'generation.run';

/**
 * The runner with one span per driving attempt, a trace of its own: a generation outlives the request that asked for
 * it, and other replicas go on with it. Both have the generation's id as an attribute.
 */
export function tracedRunner(runner: AgentRunner, tracer: Tracer): AgentRunner {
  if (!tracer.enabled) return runner;
  return {
    ...runner,
    adopt: (attempt) => adopt(runner, tracer, attempt),
    run: (request) => run(runner, tracer, request),
  };
}

async function adopt(runner: AgentRunner, tracer: Tracer, attempt: AttemptRef) {
  const span = tracer.start('generation.adopt', {
    kind: 'internal',
    parent: 'root',
    attributes: attributesOf(attempt),
  });
  try {
    const standing = await span.within(() => runner.adopt(attempt));
    span.end();
    return standing;
  } catch (error) {
    span.end(failureOf(error));
    throw error;
  }
}

function attributesOf({ generationId, fence }: AttemptRef) {
  return { 'holdfast.generation.id': generationId, 'holdfast.fence': fence };
}

/** A generator's body runs in the context of whoever asks for the next value, so each turn enters the span. */
async function* run(
  runner: AgentRunner,
  tracer: Tracer,
  request: RunRequest,
): AsyncGenerator<RunnerEvent> {
  const span = tracer.start(ATTEMPT, {
    kind: 'internal',
    parent: 'root',
    attributes: {
      ...attributesOf(request),
      'gen_ai.agent.id': request.spec.agentId,
      'gen_ai.request.model': request.spec.model,
      'holdfast.entry': request.entry.kind,
    },
  });
  const events = span.within(() => runner.run(request)[Symbol.asyncIterator]());
  const end = new Ending(span);
  try {
    for (;;) {
      const next = await span.within(() => events.next());
      if (next.done) break;
      if (next.value.type !== 'event') end.saw(next.value.type);
      yield next.value;
    }
    end.completed();
  } catch (error) {
    end.failed(error);
    throw error;
  } finally {
    end.over();
    await span.within(() => events.return?.());
  }
}

/** How an attempt ended: completed, pause, handover, failed, or left by its driver. */
class Ending {
  readonly #span: OpenSpan;
  #how = 'left';
  #last: 'pause' | 'handover' | undefined;
  #failure: string | undefined;

  constructor(span: OpenSpan) {
    this.#span = span;
  }

  saw(type: 'usage' | 'pause' | 'handover'): void {
    if (type !== 'usage') this.#last = type;
  }

  completed(): void {
    this.#how = 'completed';
  }

  failed(error: unknown): void {
    this.#how = 'failed';
    this.#failure = failureOf(error);
  }

  over(): void {
    this.#span.set({ 'holdfast.ending': this.#last ?? this.#how });
    this.#span.end(this.#failure);
  }
}
