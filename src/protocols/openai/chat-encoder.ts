import type { EventOf, LogEvent } from '../../stream/events.ts';
import type { TokenCount } from '../../stream/message.ts';
import type { Encoded, Encoder, ProtocolFrame } from '../encoder.ts';
import { formatCompletionId } from './ids.ts';
import { completionUsage, NO_TOKENS, seconds } from './usage.ts';

/**
 * A generation as a chat completion: the text that the agent itself says. Its tools run here and are not shown; what
 * it thinks has no place in this protocol.
 */
export interface ChatState {
  id: string;
  model: string;
  created: number;
  /** The answer as it stands. */
  text: string;
  /** What readers were given beyond it: a crash withdrew these words, and nothing can be taken back here. */
  ahead: string;
  /** Readers have words that do not stand any more, and were told so. */
  torn: boolean;
  /** The content part that the last words belong to. */
  part: number;
  usage: TokenCount;
  /** How it ended; null: not yet. */
  outcome: ChatOutcome | null;
}

export interface ChatOutcome {
  /** Null: it is complete. */
  error: { code: string; message: string } | null;
}

const INITIAL: ChatState = {
  id: '',
  model: '',
  created: 0,
  text: '',
  ahead: '',
  torn: false,
  part: -1,
  usage: NO_TOKENS,
  outcome: null,
};

export const REQUIRES_APPROVAL = {
  code: 'agent_requires_approval',
  message: 'The agent waits for a person, which a chat completion can not do.',
};
const TORN = {
  code: 'answer_rewritten',
  message: 'A crash withdrew words of this answer that were sent. Retrieve it for the answer.',
};
/** Between two texts of one answer, as where a tool was called in between. */
const GAP = '\n\n';

function frame(data: unknown): ProtocolFrame {
  return { data: JSON.stringify(data) };
}

function chunk(state: ChatState, delta: object, finish: 'stop' | null = null) {
  const { id, created, model } = state;
  const choice = { index: 0, delta, logprobs: null, finish_reason: finish };
  return { id, object: 'chat.completion.chunk', created, model, choices: [choice] };
}

interface Said {
  state: ChatState;
  /** What readers lack. */
  more: string;
}

/** The words as they are said again are the ones that readers have, or the answer is torn. */
function added(state: ChatState, words: string): Said {
  const { ahead, torn } = state;
  // A rope of strings: a token must not cost a copy of the answer.
  const now = { ...state, text: state.text + words };
  if (torn) return { state: now, more: '' };
  if (ahead === '') return { state: now, more: words };
  if (ahead.startsWith(words)) {
    return { state: { ...now, ahead: ahead.slice(words.length) }, more: '' };
  }
  if (!words.startsWith(ahead)) return { state: { ...now, torn: true }, more: '' };
  return { state: { ...now, ahead: '' }, more: words.slice(ahead.length) };
}

function said(state: ChatState, { part, text, path }: EventOf<'text_delta'>): Said {
  if (path) return { state, more: '' };
  const gap = state.text !== '' && part !== state.part ? GAP : '';
  return added({ ...state, part }, gap + text);
}

/** After a crash: the words that stand. */
function recovered(state: ChatState, { state: stands }: EventOf<'segment'>): Said {
  if (!stands) return { state, more: '' };
  const ahead = state.text + state.ahead;
  let now: Said = { state: { ...state, text: '', ahead, part: -1 }, more: '' };
  for (const [part, it] of stands.message.content.entries()) {
    if (it.type !== 'text') continue;
    const next = said(now.state, { ...it, type: 'text_delta', part });
    now = { state: next.state, more: now.more + next.more };
  }
  return { ...now, state: { ...now.state, usage: stands.usage ?? NO_TOKENS } };
}

function errorOf({ code, message }: { code: string; message: string }) {
  return { message, type: 'server_error', code: code.toLowerCase(), param: null };
}

function outcomeOf({ status, error }: EventOf<'done'>): ChatOutcome {
  if (status === 'completed') return { error: null };
  return { error: error ?? { code: `GENERATION_${status}`, message: `The answer was ${status}.` } };
}

/** The state after an event that adds no words. */
function folded(state: ChatState, body: LogEvent['body']): ChatState {
  if (body.type === 'created') {
    const { generationId, agentId: model, userMessage } = body;
    const created = seconds(userMessage.createdAt);
    return { ...state, id: formatCompletionId(generationId), model, created };
  }
  if (body.type === 'usage') return { ...state, usage: body.total };
  if (body.type === 'pending_action') return { ...state, outcome: { error: REQUIRES_APPROVAL } };
  if (body.type === 'action_resolved' && body.outcome === 'decided') {
    return { ...state, outcome: null };
  }
  // A pause nobody answered stays what it was: the end of this answer.
  return body.type === 'done' ? { ...state, outcome: state.outcome ?? outcomeOf(body) } : state;
}

/** The stream of `POST /v1/chat/completions`. It ends at a pause, which it can only report. */
export function chatEncoder({ includeUsage }: { includeUsage: boolean }): Encoder<ChatState> {
  const wrap = (data: object): ProtocolFrame =>
    frame(includeUsage ? { ...data, usage: null } : data);
  return {
    initial: INITIAL,
    encode(before, { body }) {
      if (body.type === 'text_delta') return words(before, said(before, body), wrap);
      if (body.type === 'segment') return words(before, recovered(before, body), wrap);
      const state = folded(before, body);
      if (body.type === 'created') {
        return { state, frames: [wrap(chunk(state, { role: 'assistant', content: '' }))] };
      }
      if (body.type !== 'done' && body.type !== 'pending_action') return { state, frames: [] };
      return { state, frames: [], ending: lastFrames(state, wrap, includeUsage) };
    },
  };
}

function words(
  before: ChatState,
  { state, more }: Said,
  wrap: (data: object) => ProtocolFrame,
): Encoded<ChatState> {
  const content = more === '' ? [] : [wrap(chunk(state, { content: more }))];
  const tears = state.torn && !before.torn;
  return { state, frames: tears ? [...content, frame({ error: errorOf(TORN) })] : content };
}

function lastFrames(
  state: ChatState,
  wrap: (data: object) => ProtocolFrame,
  includeUsage: boolean,
): ProtocolFrame[] {
  const done = { data: '[DONE]' };
  const error = state.outcome?.error;
  if (error) return [frame({ error: errorOf(error) }), done];
  if (state.torn) return [done];
  if (state.ahead !== '') return [frame({ error: errorOf(TORN) }), done];
  const usage = completionUsage(state.usage);
  const tail = frame({ ...chunk(state, {}), choices: [], usage });
  return [wrap(chunk(state, {}, 'stop')), ...(includeUsage ? [tail] : []), done];
}

/** The completion as a whole; `error`: it has none. */
export function completionOf(state: ChatState) {
  const { id, created, model, text, usage, outcome } = state;
  const message = { role: 'assistant', content: text, refusal: null };
  return {
    error: outcome?.error ?? null,
    completion: {
      id,
      object: 'chat.completion',
      created,
      model,
      choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
      usage: completionUsage(usage),
    },
  };
}
