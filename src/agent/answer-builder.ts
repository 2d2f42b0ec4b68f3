import { AIMessage, AIMessageChunk } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { contentPieces, isRecord, sideReasoning } from './chunk-content.ts';
import type { ContentPiece } from './chunk-content.ts';
import { ToolCallCollector } from './tool-call-collector.ts';
import type { Fragment } from './tool-call-collector.ts';
import { MALFORMED_KEY } from './tool-guard.ts';

/** What a model yields: a chunk, or a whole answer. */
export interface Produced {
  message: BaseMessage;
  generationInfo?: Record<string, unknown> | undefined;
}

/** One thing to tell the stream about; neighbours of a kind are one. */
type Piece = ContentPiece | { kind: 'args'; fragment: Fragment };

/** Where providers say that an answer is over: Chat Completions, Anthropic, Responses. */
const END_KEYS = new Set(['finish_reason', 'stop_reason', 'status']);

/** Kept apart: reasoning is joined by us, raw tool calls live in the collector. */
const OWN_KEYS = new Set(['reasoning_content', 'tool_calls', 'function_call']);

function otherKwargs(message: BaseMessage): Record<string, unknown> | undefined {
  const entries = Object.entries(message.additional_kwargs).filter(([key]) => !OWN_KEYS.has(key));
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function isPlainText(message: BaseMessage): message is AIMessageChunk {
  return (
    AIMessageChunk.isInstance(message) &&
    typeof message.content === 'string' &&
    message.content !== '' &&
    !message.tool_call_chunks?.length &&
    sideReasoning(message.additional_kwargs) === ''
  );
}

/**
 * Builds the message of one model call from its chunks in linear time, and says what is new since the last look.
 * Every chunk and the message carry one id of ours: state is keyed by it, and some servers repeat theirs.
 */
export class AnswerBuilder {
  readonly #id: string;
  readonly #calls: ToolCallCollector;
  readonly #texts: string[] = [];
  readonly #reasoning: string[] = [];
  #metadata: Record<string, unknown> = {};
  /** What only the library can merge: content blocks, usage, fields of a provider. */
  #merged: AIMessageChunk | undefined;
  #news: Piece[] = [];
  #finishReason = false;
  /** The one chunk that made the news, if it says them by itself. */
  #sole: AIMessageChunk | undefined;

  constructor(deps: { id: string; usedToolIds: Set<string>; newId: () => string }) {
    this.#id = deps.id;
    this.#calls = new ToolCallCollector(deps.usedToolIds, deps.newId);
  }

  /** The provider said why it stopped: an answer without that was cut off. */
  get ended(): boolean {
    return this.#finishReason;
  }

  /** LangChain's `usage_metadata`, as far as the provider told it by now. */
  get usage(): AIMessage['usage_metadata'] {
    return this.#merged?.usage_metadata;
  }

  add({ message, generationInfo }: Produced): void {
    this.#note(generationInfo);
    this.#note(message.response_metadata);
    const nothingNew = this.#news.length === 0;
    for (const piece of contentPieces(message)) this.#tell(piece);
    const reasoning = sideReasoning(message.additional_kwargs);
    if (reasoning !== '') this.#reasoning.push(reasoning);
    this.#keep(message);
    this.#addCalls(message);
    this.#sole = nothingNew && isPlainText(message) ? message : undefined;
  }

  /** What is new, as chunks for the stream. */
  takeNews(): AIMessageChunk[] {
    const news = this.#news;
    const sole = this.#sole;
    this.#news = [];
    this.#sole = undefined;
    if (sole && news.length === 1) {
      // The chunk as it came: making another one is most of what a token costs.
      sole.id = this.#id;
      sole.lc_kwargs['id'] = this.#id;
      return [sole];
    }
    return news.map((piece) => this.#chunk(piece));
  }

  message(): AIMessage {
    this.#flush();
    const { calls, malformed } = this.#calls.finish();
    const kwargs: Record<string, unknown> = { ...this.#merged?.additional_kwargs };
    if (this.#reasoning.length > 0) kwargs['reasoning_content'] = this.#reasoning.join('');
    if (malformed.length > 0) kwargs[MALFORMED_KEY] = malformed;
    const message = new AIMessage({
      id: this.#id,
      content: this.#content(),
      tool_calls: calls,
      additional_kwargs: kwargs,
      response_metadata: this.#metadata,
    });
    const usage = this.#merged?.usage_metadata;
    if (usage) message.usage_metadata = usage;
    return message;
  }

  #note(info: Record<string, unknown> | undefined): void {
    for (const [key, value] of Object.entries(info ?? {})) {
      if (value === undefined || value === null) continue;
      this.#metadata[key] = value;
      if (END_KEYS.has(key)) this.#finishReason = true;
    }
  }

  #tell(piece: ContentPiece): void {
    const last = this.#news.at(-1);
    if (last && 'text' in last && last.kind === piece.kind) last.text += piece.text;
    else this.#news.push({ ...piece });
  }

  #keep(message: BaseMessage): void {
    const usage = AIMessageChunk.isInstance(message) ? message.usage_metadata : undefined;
    const others = otherKwargs(message);
    if (typeof message.content === 'string' && !usage && !others) {
      this.#texts.push(message.content);
      return;
    }
    this.#flush();
    this.#merge(
      new AIMessageChunk({
        content: message.content,
        additional_kwargs: others ?? {},
        ...(usage ? { usage_metadata: usage } : {}),
      }),
    );
  }

  #flush(): void {
    const text = this.#texts.splice(0).join('');
    if (text !== '') this.#merge(new AIMessageChunk({ content: text }));
  }

  #merge(chunk: AIMessageChunk): void {
    this.#merged = this.#merged ? this.#merged.concat(chunk) : chunk;
  }

  #content(): AIMessage['content'] {
    const content = this.#merged?.content ?? '';
    const renamed = this.#calls.renamed();
    if (typeof content === 'string' || renamed.size === 0) return content;
    return content.map((block) => {
      const id = isRecord(block) && typeof block['id'] === 'string' ? block['id'] : '';
      const own = renamed.get(id);
      return own === undefined ? block : { ...block, id: own };
    });
  }

  #addCalls(message: BaseMessage): void {
    if (AIMessageChunk.isInstance(message)) {
      for (const chunk of message.tool_call_chunks ?? []) this.#addFragment(chunk);
    } else if (AIMessage.isInstance(message)) {
      for (const { id, name, args } of message.tool_calls ?? [])
        this.#addFragment({ ...(id ? { id } : {}), name, args: JSON.stringify(args) });
    }
  }

  #addFragment(chunk: Parameters<ToolCallCollector['add']>[0]): void {
    const fragment = this.#calls.add(chunk);
    if (!fragment) return;
    const last = this.#news.at(-1);
    if (last && 'fragment' in last && last.fragment.index === fragment.index && !fragment.id)
      last.fragment.args = (last.fragment.args ?? '') + (fragment.args ?? '');
    else this.#news.push({ kind: 'args', fragment });
  }

  #chunk(piece: Piece): AIMessageChunk {
    const id = this.#id;
    if ('fragment' in piece)
      return new AIMessageChunk({ id, content: '', tool_call_chunks: [piece.fragment] });
    if (piece.kind === 'text') return new AIMessageChunk({ id, content: piece.text });
    const additional_kwargs = { reasoning_content: piece.text };
    return new AIMessageChunk({ id, content: '', additional_kwargs });
  }
}
