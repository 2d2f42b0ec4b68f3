import type { CallbackManagerForLLMRun } from '@langchain/core/callbacks/manager';
import { BaseChatModel } from '@langchain/core/language_models/chat_models';
import type { BindToolsInput } from '@langchain/core/language_models/chat_models';
import { AIMessage } from '@langchain/core/messages';
import type { BaseMessage, UsageMetadata } from '@langchain/core/messages';
import { ChatGenerationChunk } from '@langchain/core/outputs';
import type { ChatGeneration, ChatResult } from '@langchain/core/outputs';
import { RunnableBinding } from '@langchain/core/runnables';
import { delay } from '../lib/clock.ts';
import type { Clock } from '../lib/clock.ts';
import { inSpan, NO_TRACER, type OpenSpan, type Tracer } from '../lib/tracing.ts';
import { RunError } from './agent-runner.ts';
import { AnswerBuilder } from './answer-builder.ts';
import type { Produced } from './answer-builder.ts';
import type { FlowGate } from './flow-gate.ts';
import type { CallMeter } from './meter.ts';
import { modelFault } from './model-errors.ts';
import { PacedReader } from './paced-reader.ts';
import { isQuestion } from './steering.ts';
import { countTokens } from './token-count.ts';

/** Most chunks that become one. */
const MAX_BATCH = 64;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_AFTER_MS = 30_000;

export interface GuardDeps {
  inner: BaseChatModel;
  gate: FlowGate;
  clock: Clock;
  newId: () => string;
  random: () => number;
  /** Tool-call ids of this run, shared by its agents. */
  usedToolIds: Set<string>;
  stallTimeoutMs: number;
  maxRetries: number;
  /** Most model calls for one question. */
  maxSteps: number;
  /** The provider always says why an answer ended: one that ends without that was cut off. */
  requiresFinish: boolean;
  /** Told of a failed attempt that is made again. */
  retried: (error: unknown) => void;
  /** What a call is given in the place of its messages: those with the user's files in them. */
  fill?: (messages: BaseMessage[]) => Promise<BaseMessage[]>;
  /** Where not given nobody pays. */
  meter?: CallMeter;
  /** `model`: its name in spans. Where not given nothing is recorded. */
  tracing?: { tracer: Tracer; model: string };
}

/**
 * A model as the run sees it. Around any LangChain chat model it gives unique ids, bounded flow, retries before the
 * first token, a stall timeout, a step limit, prompt aborts and errors without secrets. It reads the chunks itself
 * and tells LangGraph's stream about them, so that one network read is one event and nothing is parsed twice.
 */
export class GuardedModel extends BaseChatModel {
  readonly #deps: GuardDeps;
  readonly #options: Record<string, unknown>;

  constructor(deps: GuardDeps, options: Record<string, unknown> = {}) {
    super({});
    this.#deps = deps;
    this.#options = options;
  }

  override _llmType(): string {
    return 'guarded';
  }

  override get profile(): BaseChatModel['profile'] {
    return this.#deps.inner.profile;
  }

  override bindTools(tools: BindToolsInput[], kwargs: object = {}): GuardedModel {
    const given = Object.entries(kwargs).filter(([, value]) => value !== undefined);
    const options = { ...this.#options, ...Object.fromEntries(given) };
    // Providers refuse an empty list.
    if (tools.length === 0) return new GuardedModel(this.#deps, options);
    const bound = this.#deps.inner.bindTools?.(tools, options);
    if (bound instanceof BaseChatModel)
      return new GuardedModel({ ...this.#deps, inner: bound }, options);
    if (RunnableBinding.isRunnableBinding(bound) && bound.bound instanceof BaseChatModel)
      return new GuardedModel({ ...this.#deps, inner: bound.bound }, { ...bound.config });
    throw new RunError('MODEL_ERROR', 'This model cannot call tools.');
  }

  override async _generate(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
    manager?: CallbackManagerForLLMRun,
  ): Promise<ChatResult> {
    noteCall(messages, this.#deps);
    const message = await this.#paid({ messages, signal: options.signal, manager });
    const generation: ChatGeneration = { text: message.text, message };
    return { generations: [generation] };
  }

  /** A call beside the run, which nobody hears: no step of it, and nothing in its stream. */
  ask(messages: BaseMessage[], signal: AbortSignal | undefined): Promise<AIMessage> {
    return this.#paid({ messages, signal, manager: undefined });
  }

  async #paid(call: Call): Promise<AIMessage> {
    await this.#deps.meter?.check();
    return this.#traced(call);
  }

  /** One span for the call with all its attempts; counts of tokens are in it, the texts are not. */
  #traced(call: Call): Promise<AIMessage> {
    const { tracer, model } = this.#deps.tracing ?? { tracer: NO_TRACER, model: '' };
    const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': model };
    return inSpan(tracer, { name: `chat ${model}`, kind: 'client', attributes }, async (span) => {
      const message = await this.#withRetries(call);
      tellUsage(span, message.usage_metadata);
      return message;
    });
  }

  async #withRetries(call: Call): Promise<AIMessage> {
    const { clock, maxRetries, random } = this.#deps;
    for (let attempt = 0; ; attempt += 1) {
      const progress = { told: false };
      try {
        const messages = await this.#filled(call.messages);
        return await this.#attempt({ ...call, messages }, progress);
      } catch (error) {
        call.signal?.throwIfAborted();
        const fault = modelFault(error, clock.now());
        if (progress.told || attempt >= maxRetries || !fault.retryable) throw fault.error;
        const pause = FIRST_RETRY_MS * 2 ** attempt * (1 + random());
        const wait = Math.max(fault.retryAfterMs ?? 0, pause);
        if (wait > MAX_RETRY_AFTER_MS) throw fault.error;
        this.#deps.retried(fault.error);
        await delay(clock, wait, call.signal);
      }
    }
  }

  /** Read anew each time: what the state of a graph holds are names. */
  async #filled(messages: BaseMessage[]): Promise<BaseMessage[]> {
    return (await this.#deps.fill?.(messages)) ?? messages;
  }

  async #attempt({ messages, signal, manager }: Call, progress: Progress): Promise<AIMessage> {
    const { clock, newId, usedToolIds, stallTimeoutMs, requiresFinish } = this.#deps;
    const id = `ai_${newId()}`;
    const builder = new AnswerBuilder({ id, usedToolIds, newId });
    // The provider's request is given up with the reader, whatever ends it.
    const request = new AbortController();
    const reader = new PacedReader({
      source: this.#chunks(messages, request.signal),
      clock,
      signal,
      stallMs: stallTimeoutMs,
      stalled: () => new RunError('MODEL_STALLED', 'The model stopped answering.'),
    });
    let any = false;
    let ended: Promise<void> | undefined;
    try {
      for (;;) {
        const batch = await reader.batch(MAX_BATCH);
        if (batch.length === 0) break;
        any = true;
        for (const chunk of batch) builder.add(chunk);
        await this.#tell(builder, manager, progress);
      }
    } finally {
      reader.close();
      request.abort();
      // A failure is told at once, and is paid for all the same.
      ended = this.#pay(id, builder);
    }
    await ended;
    if (!any) throw new Error('The model sent nothing.');
    if (requiresFinish && !builder.ended) throw new Error('The answer was cut off.');
    return builder.message();
  }

  /** Never rejects. */
  async #pay(call: string, { usage }: AnswerBuilder): Promise<void> {
    const tokens = countTokens(usage);
    if (tokens) await this.#deps.meter?.used(call, tokens);
  }

  async #tell(
    builder: AnswerBuilder,
    manager: CallbackManagerForLLMRun | undefined,
    progress: Progress,
  ): Promise<void> {
    for (const message of builder.takeNews()) {
      progress.told = true;
      if (!manager) continue;
      await this.#deps.gate.pass();
      this.#deps.gate.sent();
      const text = typeof message.content === 'string' ? message.content : '';
      const chunk = new ChatGenerationChunk({ text, message });
      const at = { prompt: 0, completion: 0 };
      await manager.handleLLMNewToken(text, at, undefined, undefined, undefined, { chunk });
    }
  }

  async *#chunks(messages: BaseMessage[], signal: AbortSignal): AsyncGenerator<Produced> {
    const { inner } = this.#deps;
    const options = { ...this.#options, signal };
    // LangChain marks what subclasses implement with an underscore; its public `stream` adds a quadratic merge.
    /* oxlint-disable-next-line no-underscore-dangle -- the extension point of BaseChatModel */
    if (streams(inner)) yield* inner._streamResponseChunks(messages, options);
    /* oxlint-disable-next-line no-underscore-dangle -- the extension point of BaseChatModel */
    else yield* (await inner._generate(messages, options)).generations.slice(0, 1);
  }
}

/** What must be known of a run before each step: how many there were, and which ids its calls have. */
export function noteCall(
  messages: BaseMessage[],
  { maxSteps, usedToolIds }: Pick<GuardDeps, 'maxSteps' | 'usedToolIds'>,
): void {
  const question = messages.findLastIndex(isQuestion);
  const steps = messages.slice(question + 1).filter((message) => AIMessage.isInstance(message));
  if (steps.length >= maxSteps)
    throw new RunError('MAX_STEPS', `The agent did not finish within ${steps.length} steps.`);
  const said = messages.filter((message) => AIMessage.isInstance(message));
  for (const { id } of said.flatMap((message) => message.tool_calls ?? []))
    if (id) usedToolIds.add(id);
}

interface Call {
  messages: BaseMessage[];
  signal: AbortSignal | undefined;
  manager: CallbackManagerForLLMRun | undefined;
}

interface Progress {
  /** Something of this answer was shown: it can't be asked again. */
  told: boolean;
}

function tellUsage(span: OpenSpan, usage: UsageMetadata | undefined): void {
  if (usage === undefined) return;
  span.set({
    'gen_ai.usage.input_tokens': usage.input_tokens,
    'gen_ai.usage.output_tokens': usage.output_tokens,
  });
}

function streams(model: BaseChatModel): boolean {
  const own: unknown = Reflect.get(model, '_streamResponseChunks');
  return own !== Reflect.get(BaseChatModel.prototype, '_streamResponseChunks');
}
