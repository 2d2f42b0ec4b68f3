import { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { AIMessageChunk } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { ChatGenerationChunk } from '@langchain/core/outputs';
import type { ChatResult } from '@langchain/core/outputs';
import type { Models } from '../../src/agent/models.ts';

export type Fields = Exclude<ConstructorParameters<typeof AIMessageChunk>[0], string | unknown[]>;
export type Play = (
  call: number,
  messages: BaseMessage[],
  signal: AbortSignal | undefined,
) => AsyncIterable<Fields> | Iterable<Fields>;

/** A model that plays chunks as a provider's client would yield them. */
export class ScriptedModel extends BaseChatModel {
  readonly #play: Play;
  /** What it was sent, one entry for each call. */
  readonly sent: BaseMessage[][] = [];
  produced = 0;

  constructor(play: Play) {
    super({});
    this.#play = play;
  }

  override _llmType(): string {
    return 'scripted';
  }

  override bindTools(): this {
    return this;
  }

  override async _generate(): Promise<ChatResult> {
    throw new Error('this model only streams');
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
  ): AsyncGenerator<ChatGenerationChunk> {
    this.sent.push(messages);
    for await (const fields of this.#play(this.sent.length, messages, options.signal)) {
      this.produced += 1;
      const message = new AIMessageChunk(fields);
      yield new ChatGenerationChunk({ text: message.text, message });
    }
  }
}

export function modelsOf(model: BaseChatModel): Models {
  return {
    check: async () => undefined,
    resolve: async () => ({ model, requiresFinish: false }),
  };
}

/** Whole calls, each as one fragment. */
export function callsOf(...calls: { id: string; name: string; args: unknown }[]): Fields {
  return {
    content: '',
    tool_call_chunks: calls.map(({ id, name, args }, index) => {
      const text = typeof args === 'string' ? args : JSON.stringify(args);
      return { type: 'tool_call_chunk' as const, index, id, name, args: text };
    }),
  };
}
