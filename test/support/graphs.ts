import { MessagesAnnotation, StateGraph } from '@langchain/langgraph';
import { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { AIMessageChunk } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { ChatGenerationChunk } from '@langchain/core/outputs';
import type { ChatResult } from '@langchain/core/outputs';
import type { CallbackManagerForLLMRun } from '@langchain/core/callbacks/manager';
import type { Fields, Play } from './scripted-model.ts';

/** A model as providers' packages make them: it tells LangGraph of its chunks itself, and nothing guards it. */
export class PlainModel extends BaseChatModel {
  readonly #play: Play;
  readonly sent: BaseMessage[][] = [];

  constructor(play: Play) {
    super({});
    this.#play = play;
  }

  override _llmType(): string {
    return 'plain';
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
    manager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    this.sent.push(messages);
    const at = { prompt: 0, completion: 0 };
    for await (const fields of this.#play(this.sent.length, messages, options.signal)) {
      const message = new AIMessageChunk(fields);
      const chunk = new ChatGenerationChunk({ text: message.text, message });
      yield chunk;
      await manager?.handleLLMNewToken(message.text, at, undefined, undefined, undefined, {
        chunk,
      });
    }
  }
}

/** The words of a text, each as a chunk. */
export function words(text: string): Fields[] {
  return (text.match(/\S+\s*/g) ?? []).map((content) => ({ content }));
}

/** A graph whose state is messages. */
export const state = () => new StateGraph(MessagesAnnotation);

/** One node that answers with what `say` makes of the question. */
export function sayer(say: (question: string) => string) {
  const model = new PlainModel((_n, messages) => words(say(messages.at(-1)?.text ?? '')));
  return state()
    .addNode('answer', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
    .addEdge('__start__', 'answer');
}
