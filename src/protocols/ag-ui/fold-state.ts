import type { Message, TokenCount } from '../../stream/message.ts';

/** What the AG-UI encoder knows of a log so far. Never changed in place. */

/** What a response is about, beside the log. */
export interface View {
  /** The client's own names; AG-UI wants the run that was asked for named as the client named it. */
  names: RunNames;
  /** The branch up to the user's message of this generation, newest that fit, oldest first: for snapshots. */
  history: readonly Message[];
  /** Begin with all that came before, for a client that has nothing. */
  snapshot: boolean;
}

export interface RunNames {
  threadId?: string | undefined;
  runId?: string | undefined;
  /** The action whose answer began the run of this `runId`; without it the generation's first run has the name. */
  after?: string | undefined;
}

export interface OpenPart {
  kind: 'text' | 'reasoning';
  part: number;
  messageId: string;
}

export interface Call {
  path: readonly string[] | undefined;
  stage: 'open' | 'closed' | 'answered';
  /** Its arguments came in pieces. */
  streamed: boolean;
}

export interface SubAgent {
  path: readonly string[];
  name: string;
  /** In this run. `away`: it has not begun, or is suspended; a later run goes on with it. */
  state: 'active' | 'closed' | 'away';
}

export interface Fold {
  generationId: string;
  conversationId: string;
  /** Of the answer. */
  messageId: string;
  userMessage: Message | undefined;
  /** Runs so far: each pause ends one. */
  runs: number;
  runId: string;
  /** Between runs `paused` is the action that is waited for. */
  phase: 'running' | 'paused';
  pausedBy: string;
  /** By the path of who writes: at most one part of each. */
  open: ReadonlyMap<string, OpenPart>;
  calls: ReadonlyMap<string, Call>;
  /** By the call that asked for it. */
  agents: ReadonlyMap<string, SubAgent>;
  /** Of this run. */
  spent: TokenCount;
}

export const NOTHING_SPENT: TokenCount = {
  inputTokens: 0,
  outputTokens: 0,
  cacheRead: 0,
  reasoning: 0,
};

export const EMPTY: Fold = {
  generationId: '',
  conversationId: '',
  messageId: '',
  userMessage: undefined,
  runs: 0,
  runId: '',
  phase: 'paused',
  pausedBy: '',
  open: new Map(),
  calls: new Map(),
  agents: new Map(),
  spent: NOTHING_SPENT,
};

export function put<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value);
}

export function without<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}
