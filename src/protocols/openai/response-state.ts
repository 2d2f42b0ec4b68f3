import type { TokenCount, Usage } from '../../stream/message.ts';
import { formatResponseId, type ResponseRef } from './ids.ts';
import { textItem, type Call, type Item, type TextKind } from './response-items.ts';
import { NO_TOKENS, responseUsage, usedSince } from './usage.ts';

export type ResponseStatus =
  'queued' | 'in_progress' | 'completed' | 'failed' | 'incomplete' | 'cancelled';

/** What the fold of a log to a response has. Never changed in place. */
export interface ResponseState {
  ref: ResponseRef;
  conversationId: string;
  /** The assistant's message, which a later turn follows. */
  messageId: string;
  model: string;
  createdAt: number;
  completedAt: number | null;
  /** Number of the next frame. */
  n: number;
  /** The response is under way: from its first event on, or from the answer that made it. */
  begun: boolean;
  /** Its generation is over. */
  over: boolean;
  /** Pauses of the generation so far. */
  pauses: number;
  status: ResponseStatus;
  error: { code: string; message: string } | null;
  incomplete: { reason: string } | null;
  items: readonly Item[];
  /** The item whose text is being said. */
  open: { kind: TextKind; part: number; index: number; text: string } | null;
  calls: ReadonlyMap<string, Call>;
  /** Content parts so far. */
  parts: number;
  /** What there was when it began: parts, finished calls, and tokens. */
  before: { parts: number; calls: ReadonlySet<string>; usage: TokenCount };
  usage: Usage | TokenCount;
}

export function initialResponse(ref: ResponseRef): ResponseState {
  return {
    ref,
    conversationId: '',
    messageId: '',
    model: '',
    createdAt: 0,
    completedAt: null,
    n: 0,
    begun: ref.since === 0,
    over: false,
    pauses: 0,
    status: 'queued',
    error: null,
    incomplete: null,
    items: [],
    open: null,
    calls: new Map(),
    parts: 0,
    before: { parts: 0, calls: new Set(), usage: NO_TOKENS },
    usage: NO_TOKENS,
  };
}

export function itemId(prefix: string, { ref }: ResponseState, index: number): string {
  return `${prefix}_${formatResponseId(ref).slice('resp_'.length)}_${index}`;
}

/** The items, with what was said of the open one so far. */
function output({ items, open }: ResponseState): Item[] {
  if (!open) return [...items];
  const { kind, index, text } = open;
  const id = items[index]?.id ?? '';
  return items.with(index, textItem(kind, { id, text, status: 'in_progress' }));
}

const OVER: readonly ResponseStatus[] = ['completed', 'failed', 'incomplete', 'cancelled'];

const NOT_BEGUN = { status: 'queued', items: [], open: null, incomplete: null } as const;

/** The response object. What a request said and the log does not know is as if it was left out. */
export function responseOf(folded: ResponseState) {
  // Before the answer that makes it is in the log, all that there is belongs to earlier ones.
  const state = folded.begun ? folded : { ...folded, ...NOT_BEGUN };
  const { ref, status, conversationId, completedAt } = state;
  const { since, generationId } = ref;
  return {
    id: formatResponseId(ref),
    object: 'response',
    created_at: state.createdAt,
    status,
    ...(completedAt !== null && { completed_at: completedAt }),
    error: state.error,
    incomplete_details: state.incomplete,
    instructions: null,
    metadata: {},
    model: state.model,
    output: output(state),
    parallel_tool_calls: true,
    temperature: null,
    tool_choice: 'auto',
    tools: [],
    top_p: null,
    conversation: { id: conversationId },
    previous_response_id: since === 0 ? null : formatResponseId({ generationId, since: since - 1 }),
    usage: OVER.includes(status) ? responseUsage(usedSince(state.usage, state.before.usage)) : null,
  };
}
