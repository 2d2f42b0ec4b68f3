import { Api, type ApiOptions, type CallOptions } from './api.ts';
import { follow, type Place, type Step } from './frames.ts';
import { Live, type Source } from './live.ts';
import { surroundings } from './surroundings.ts';
import { shareTabs, tabTools } from './tabs.ts';
import type {
  Answers,
  BranchMessage,
  Conversation,
  Decision,
  GenerationStatus,
  Json,
  JsonObject,
  Message,
  PendingAction,
  StreamState,
} from './types.ts';

export interface SendOptions extends CallOptions {
  /** Omitted: a new conversation. */
  conversationId?: string;
  /** The key that makes a repeat the same turn; made here if omitted. */
  messageId?: string;
  /** Null: beside the first turn. Omitted: after the newest answer. */
  parentMessageId?: string | null;
  agentId?: string;
  /** `steer` hands it to the answer that is being made: the Turn is of that one. */
  onBusy?: 'reject' | 'enqueue' | 'interrupt' | 'steer';
  temporary?: boolean;
  timezone?: string;
  files?: Json[];
  metadata?: JsonObject;
}

export interface AgainOptions
  extends CallOptions, Pick<SendOptions, 'agentId' | 'timezone' | 'metadata'> {
  onBusy?: Exclude<SendOptions['onBusy'], 'steer' | undefined>;
  /** Makes a repeat the same turn; made here if omitted. */
  key?: string;
}

/** A message, as a list of messages has it. */
export type MessageRef = Pick<Message, 'conversationId' | 'messageId'>;

/** One answer, being made or finished. */
export interface Turn {
  readonly generationId: string;
  readonly conversationId: string;
  /** Of the user's message. */
  readonly messageId: string;
  /**
   * The state as it grows, by the fold of docs/PROTOCOL.md: the latest one whenever one is asked for, the last one
   * behind the end. A pause is a state with `pendingAction`, and the loop goes on once it is decided. Leaving the loop
   * (or `signal`) closes the connection and stops nothing; another loop goes on from there.
   * Throws ApiError, ResumeError, a network error or the reason of the signal.
   */
  states(options?: CallOptions): AsyncIterable<StreamState>;
  /** What the generation ends with, however it ends. Asked for, it is read to its end. */
  readonly done: Promise<StreamState>;
}

/** As it is found after a reload. */
export interface AttachedTurn extends Turn {
  /** What the user wrote meanwhile (`onBusy: 'steer'`) and the agent had not heard yet, oldest first. */
  readonly unheard: readonly { messageId: string; text: string }[];
}

export interface PageOptions extends CallOptions {
  cursor?: string | null;
  limit?: number;
}

export interface Page<T> {
  items: T[];
  /** Null: there is no more. */
  nextCursor: string | null;
}

export interface Resumed {
  generationId: string;
  conversationId: string;
  status: 'resuming';
}

export interface Aborted {
  generationId: string | null;
  status: GenerationStatus | null;
  /** There was nothing to stop. */
  alreadyFinished: boolean;
}

export type Target = { generationId: string } | { conversationId: string };
/** A PendingAction is one. */
export type ActionRef = Pick<PendingAction, 'generationId' | 'actionId'>;

/** Every call throws ApiError where the server refuses, and is repeated where it can't be reached (`attempts`). */
export interface ChatClient {
  /** Says something; the answer begins to be made whether it is read or not. */
  send(text: string, options?: SendOptions): Promise<Turn>;
  /** Says something else in the place of a message of the user's, which stays as a branch of its own. */
  edit(
    message: Pick<Message, 'conversationId' | 'parentMessageId'>,
    text: string,
    options?: SendOptions,
  ): Promise<Turn>;
  /** Another answer beside this one, or to this message of the user's. */
  regenerate(message: MessageRef, options?: AgainOptions): Promise<Turn>;
  /** Goes on with an unfinished answer: a new one, which follows it. */
  continue(answer: MessageRef, options?: AgainOptions): Promise<Turn>;
  /** The live or the last answer of a conversation, as after a reload; undefined where nothing was ever said. */
  attach(conversationId: string, options?: CallOptions): Promise<AttachedTurn | undefined>;
  /** One decision for each call of the action; the answer goes on in the same turn. */
  decide(action: ActionRef, decisions: Decision[], options?: CallOptions): Promise<Resumed>;
  /** By the ids of the questions; a text where there is but one. */
  answer(action: ActionRef, answers: Answers | string, options?: CallOptions): Promise<Resumed>;
  /** To what a graph asks in its own form. */
  respond(action: ActionRef, response: Json, options?: CallOptions): Promise<Resumed>;
  /** A Turn, a generation, or a conversation with what is enqueued in it. */
  abort(target: Target, options?: CallOptions): Promise<Aborted>;
  /** What waits for this person, newest first. */
  approvals(options?: PageOptions): Promise<Page<PendingAction>>;
  /** Newest first. */
  conversations(options?: PageOptions): Promise<Page<Conversation>>;
  /** Oldest first. */
  messages(conversationId: string, options?: PageOptions): Promise<Page<Message>>;
  /** The messages that lead to `leaf`, or on the newest branch through a message, or on the newest of all. */
  branch(
    conversationId: string,
    options?: PageOptions & ({ leaf?: string } | { through: string }),
  ): Promise<Page<BranchMessage>>;
  /** A new conversation with a copy of all that leads to this message. */
  fork(message: MessageRef, options?: CallOptions & { key?: string }): Promise<Conversation>;
  rename(conversationId: string, title: string, options?: CallOptions): Promise<Conversation>;
  remove(conversationId: string, options?: CallOptions): Promise<void>;
}

export interface ChatClientOptions extends ApiOptions {
  /**
   * False: every tab has a connection of its own. By default the tabs of an origin share one for each generation, where
   * the browser has locks and BroadcastChannel (secure contexts).
   */
  tabs?: boolean | undefined;
}

const NOWHERE: Place = { cursor: '', seq: 0, state: undefined };
const LIVE = new Set<GenerationStatus>(['queued', 'running', 'paused', 'finalizing']);

interface Status {
  generation?: {
    generationId: string;
    status: GenerationStatus;
    cursor: string;
    state: StreamState;
    unheard?: AttachedTurn['unheard'];
  };
}

/** A client of the native protocol for browsers and Node, with nothing to it but `fetch`. */
export function createChatClient(options: ChatClientOptions): ChatClient {
  const api = new Api(options);
  const tools = options.tabs === false ? undefined : tabTools();
  /** By generation, while somebody reads them: a message that steers one opens no second stream. */
  const reading = new Map<string, Live>();

  const liveTurn = (
    ids: { generationId: string; conversationId: string; messageId: string },
    begin: { place: Place; over: boolean },
  ): Turn => {
    const { generationId } = ids;
    const own = (from: Place, signal: AbortSignal): AsyncIterable<Step> =>
      follow({ api, generationId }, from, signal);
    const name = `holdfast 1 ${api.baseUrl} ${generationId}`;
    const source: Source = async function* readAs(from, signal) {
      reading.set(generationId, live);
      try {
        yield* tools ? shareTabs({ ...tools, name, own }, from, signal) : own(from, signal);
      } finally {
        reading.delete(generationId);
      }
    };
    const live = reading.get(generationId) ?? new Live(source, begin);
    let done: Promise<StreamState> | undefined;
    return {
      ...ids,
      states: (given) => live.states(given),
      get done() {
        return (done ??= lastOf(live.states()));
      },
    };
  };

  const resume = (
    { generationId, actionId }: ActionRef,
    said: object,
    { signal }: CallOptions = {},
  ): Promise<Resumed> => {
    const body = { generationId, actionId, ...said };
    return api.call({ method: 'POST', path: '/chat/resume', body, signal });
  };

  const begun = async (
    path: string,
    body: object,
    given: { key?: string; signal?: AbortSignal | undefined },
  ): Promise<Turn> => {
    const { generationId, conversationId, messageId } = await api.call<Omit<Turn, 'done'>>({
      method: 'POST',
      path,
      body,
      ...given,
    });
    return liveTurn({ generationId, conversationId, messageId }, { place: NOWHERE, over: false });
  };

  const send: ChatClient['send'] = (text, { signal, ...given } = {}) => {
    return begun('/chat', { ...given, messageId: given.messageId ?? freshId(), text }, { signal });
  };

  const again = (
    path: string,
    { conversationId, messageId }: MessageRef,
    { signal, key = freshId(), ...given }: AgainOptions = {},
  ): Promise<Turn> => begun(path, { ...given, conversationId, messageId }, { key, signal });

  const page = <T>(
    path: string,
    { cursor, limit, signal }: PageOptions = {},
    more: Record<string, string> = {},
  ): Promise<Page<T>> => {
    const query = new URLSearchParams({
      ...more,
      ...(typeof cursor === 'string' && { cursor }),
      ...(limit !== undefined && { limit: String(limit) }),
    });
    return api.call({ path: `${path}?${query.toString()}`, signal });
  };

  return {
    send,
    edit: ({ conversationId, parentMessageId }, text, given) =>
      send(text, { ...given, conversationId, parentMessageId }),
    regenerate: (message, given) => again('/chat/regenerate', message, given),
    continue: (answer, given) => again('/chat/continue', answer, given),

    attach: async (conversationId, { signal } = {}) => {
      const path = `/chat/status/${encodeURIComponent(conversationId)}`;
      const { generation } = await api.call<Status>({ path, signal });
      if (!generation) return undefined;
      const { generationId, status, cursor, state, unheard = [] } = generation;
      const messageId = state.message.parentMessageId ?? '';
      const turn = liveTurn(
        { generationId, conversationId, messageId },
        { place: { cursor, seq: 0, state }, over: !LIVE.has(status) },
      );
      return Object.assign(turn, { unheard });
    },

    decide: (action, decisions, given) => resume(action, { decisions }, given),
    answer: (action, answers, given) =>
      resume(action, typeof answers === 'string' ? { answer: answers } : { answers }, given),
    respond: (action, response, given) => resume(action, { response }, given),

    abort: (target, { signal } = {}) => {
      const body =
        'generationId' in target
          ? { generationId: target.generationId }
          : { conversationId: target.conversationId };
      return api.call({ method: 'POST', path: '/chat/abort', body, signal });
    },

    approvals: (given) => page('/approvals', given),
    conversations: (given) => page('/conversations', given),
    messages: (id, given) => page(`${conversationPath(id)}/messages`, given),
    branch: (id, given = {}) => {
      const of = 'through' in given ? { through: given.through } : { leaf: given.leaf ?? 'latest' };
      return page(`${conversationPath(id)}/messages`, given, of);
    },
    fork: ({ conversationId, messageId }, { signal, key = freshId() } = {}) =>
      api.call({
        method: 'POST',
        path: `${conversationPath(conversationId)}/fork`,
        body: { messageId },
        key,
        signal,
      }),
    rename: (id, title, { signal } = {}) =>
      api.call({ method: 'PATCH', path: conversationPath(id), body: { title }, signal }),
    remove: (id, { signal } = {}) =>
      api.call({ method: 'DELETE', path: conversationPath(id), signal }),
  };
}

const conversationPath = (id: string): string => `/conversations/${encodeURIComponent(id)}`;

async function lastOf(states: AsyncIterable<StreamState>): Promise<StreamState> {
  let last: StreamState | undefined;
  for await (const state of states) last = state;
  if (!last) throw new Error('The stream ended before it began.');
  return last;
}

/** 128 random bits, also where randomUUID is missing, as in insecure contexts. */
function freshId(): string {
  const words = new Uint32Array(4);
  if (surroundings.crypto) surroundings.crypto.getRandomValues(words);
  // Node 18 has none here; the id is a key among those of one user, and no secret.
  else words.forEach((_, at) => (words[at] = Math.random() * 2 ** 32));
  return [...words].map((word) => word.toString(16).padStart(8, '0')).join('');
}
