import { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { AIMessageChunk } from '@langchain/core/messages';
import { ChatGenerationChunk } from '@langchain/core/outputs';
import { setTimeout as delay } from 'node:timers/promises';

/** Ms between two words. */
const WORD_MS = Number(process.env.WORD_MS ?? 40);

/**
 * Stands in for a real model, so that the example needs no key and no network. `play(messages)` says what it answers:
 * `{ text }`, said word by word, or `{ call: { name, args } }`. Put `new ChatOpenAI({ … })` in its place.
 */
export class ScriptedModel extends BaseChatModel {
  #play;

  constructor(play) {
    super({});
    this.#play = play;
  }

  _llmType() {
    return 'scripted';
  }

  bindTools() {
    return this;
  }

  async _generate() {
    throw new Error('This model only streams.');
  }

  async *_streamResponseChunks(messages, options, manager) {
    for (const fields of chunksOf(this.#play(messages))) {
      await delay(WORD_MS, undefined, { signal: options.signal });
      const message = new AIMessageChunk(fields);
      yield new ChatGenerationChunk({ text: message.text, message });
      await manager?.handleLLMNewToken(message.text, undefined, undefined, undefined, undefined, {
        chunk: new ChatGenerationChunk({ text: message.text, message }),
      });
    }
  }
}

function chunksOf({ text = '', call }) {
  const words = text.match(/\S+\s*/g) ?? [];
  const chunks = words.map((content) => ({ content }));
  if (!call) return chunks;
  const args = JSON.stringify(call.args);
  const id = `call_${crypto.randomUUID()}`;
  return [
    ...chunks,
    {
      content: '',
      tool_call_chunks: [{ index: 0, id, name: call.name, args, type: 'tool_call_chunk' }],
    },
  ];
}
