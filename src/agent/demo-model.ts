import { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { AIMessageChunk } from '@langchain/core/messages';
import type { BaseMessage, UsageMetadata } from '@langchain/core/messages';
import { ChatGenerationChunk } from '@langchain/core/outputs';
import type { ChatResult } from '@langchain/core/outputs';
import { delay } from '../lib/clock.ts';
import type { Clock } from '../lib/clock.ts';
import { RunError } from './agent-runner.ts';
import type { Step } from './demo-script.ts';
import { stepsFor } from './demo-steps.ts';

const FRAGMENT_CHARS = 4;
/** Roughly what a tokenizer makes of English. */
const CHARS_PER_TOKEN = 4;

interface Call {
  messages: BaseMessage[];
  signal: AbortSignal | undefined;
}

/** A turn of the event loop, as between two reads of a network: tokens come one by one, also without a pause. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function whenAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function chunkOf(fields: ConstructorParameters<typeof AIMessageChunk>[0]): ChatGenerationChunk {
  const message = new AIMessageChunk(fields);
  return new ChatGenerationChunk({ text: message.text, message });
}

/** The scripted model: streams tokens, reasoning and tool calls in fragments as a provider's client does. */
export class DemoModel extends BaseChatModel {
  readonly #clock: Clock;
  readonly #newId: () => string;

  constructor(deps: { clock: Clock; newId: () => string }) {
    super({});
    this.#clock = deps.clock;
    this.#newId = deps.newId;
  }

  override _llmType(): string {
    return 'demo';
  }

  override get profile(): BaseChatModel['profile'] {
    return { maxInputTokens: 128_000 };
  }

  /** The script knows its tools. */
  override bindTools(): this {
    return this;
  }

  override async _generate(messages: BaseMessage[]): Promise<ChatResult> {
    const chunks: ChatGenerationChunk[] = [];
    for await (const chunk of this.#play({ messages, signal: undefined })) chunks.push(chunk);
    const [first, ...rest] = chunks;
    if (!first) return { generations: [] };
    return { generations: [rest.reduce((whole, chunk) => whole.concat(chunk), first)] };
  }

  override _streamResponseChunks(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
  ): AsyncGenerator<ChatGenerationChunk> {
    return this.#play({ messages, signal: options.signal });
  }

  async *#play({ messages, signal }: Call): AsyncGenerator<ChatGenerationChunk> {
    const steps = stepsFor(messages);
    let produced = 0;
    let calls = 0;
    for (const step of steps) {
      for await (const chunk of this.#step(step, { index: calls, signal })) {
        produced += 1;
        yield chunk;
      }
      if (step.do === 'call') calls += 1;
    }
    yield this.#end(messages, { produced, calls });
  }

  async *#step(
    step: Step,
    { index, signal }: { index: number; signal: AbortSignal | undefined },
  ): AsyncGenerator<ChatGenerationChunk> {
    await (step.do === 'say' || step.do === 'think' ? this.#pause(step.afterMs, signal) : turn());
    signal?.throwIfAborted();
    switch (step.do) {
      case 'say':
        yield chunkOf({ content: step.token });
        return;
      case 'think':
        yield chunkOf({ content: '', additional_kwargs: { reasoning_content: step.token } });
        return;
      case 'call':
        yield* this.#call(step, index);
        return;
      case 'hang':
        await whenAborted(signal);
        return;
      case 'fail':
        throw new RunError('MODEL_ERROR', 'The demo model failed, as it was asked to.');
      default:
        step satisfies never;
    }
  }

  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (ms > 0) await delay(this.#clock, ms, signal);
    else await turn();
  }

  async *#call(
    { name, args }: Extract<Step, { do: 'call' }>,
    index: number,
  ): AsyncGenerator<ChatGenerationChunk> {
    const type = 'tool_call_chunk';
    const id = `call_${this.#newId()}`;
    yield chunkOf({ content: '', tool_call_chunks: [{ type, index, id, name, args: '' }] });
    const json = JSON.stringify(args);
    for (let start = 0; start < json.length; start += FRAGMENT_CHARS) {
      await turn();
      const fragment = json.slice(start, start + FRAGMENT_CHARS);
      yield chunkOf({ content: '', tool_call_chunks: [{ type, index, args: fragment }] });
    }
  }

  #end(messages: BaseMessage[], of: { produced: number; calls: number }): ChatGenerationChunk {
    const chars = messages.reduce((sum, message) => sum + message.text.length, 0);
    const input_tokens = Math.ceil(chars / CHARS_PER_TOKEN);
    const usage: UsageMetadata = {
      input_tokens,
      output_tokens: of.produced,
      total_tokens: input_tokens + of.produced,
    };
    // The constructor's types lose this field.
    const message = Object.assign(new AIMessageChunk(''), { usage_metadata: usage });
    const generationInfo = { finish_reason: of.calls > 0 ? 'tool_calls' : 'stop' };
    return new ChatGenerationChunk({ text: '', message, generationInfo });
  }
}
