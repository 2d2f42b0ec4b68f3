import type { BaseMessage } from '@langchain/core/messages';

/** Text that a model produced, by kind. */
export interface ContentPiece {
  kind: 'text' | 'reasoning';
  text: string;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function texts(value: unknown): string {
  if (!Array.isArray(value)) return '';
  const items: unknown[] = value;
  return items
    .map((item) => (isRecord(item) && typeof item['text'] === 'string' ? item['text'] : ''))
    .join('');
}

/** OpenAI-compatible servers put reasoning beside the content, the Responses API as summaries. */
export function sideReasoning(kwargs: Record<string, unknown>): string {
  const { reasoning_content: plain, reasoning } = kwargs;
  if (typeof plain === 'string') return plain;
  return isRecord(reasoning) ? texts(reasoning['summary']) : '';
}

function blockPiece(block: Record<string, unknown>): ContentPiece | undefined {
  const { type, text, thinking, reasoning, summary } = block;
  if ((type === 'text' || type === 'text_delta') && typeof text === 'string')
    return { kind: 'text', text };
  if (type === 'thinking' && typeof thinking === 'string')
    return { kind: 'reasoning', text: thinking };
  if (type !== 'reasoning') return undefined;
  return { kind: 'reasoning', text: typeof reasoning === 'string' ? reasoning : texts(summary) };
}

/** The readable content of a message or chunk, in order; nothing empty. */
export function contentPieces(message: BaseMessage): ContentPiece[] {
  const found: ContentPiece[] = [];
  const side = sideReasoning(message.additional_kwargs);
  if (side !== '') found.push({ kind: 'reasoning', text: side });
  if (typeof message.content === 'string') {
    if (message.content !== '') found.push({ kind: 'text', text: message.content });
    return found;
  }
  for (const block of message.content) {
    const piece = isRecord(block) ? blockPiece(block) : undefined;
    if (piece && piece.text !== '') found.push(piece);
  }
  return found;
}

export function textOf(message: BaseMessage, kind: ContentPiece['kind'] = 'text'): string {
  return contentPieces(message)
    .filter((piece) => piece.kind === kind)
    .map((piece) => piece.text)
    .join('');
}
