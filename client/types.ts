/** The wire of Holdfast's native protocol (docs/PROTOCOL.md), as it comes. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export type Outcome = 'completed' | 'aborted' | 'failed' | 'expired' | 'superseded' | 'interrupted';
export type GenerationStatus = 'queued' | 'running' | 'paused' | 'finalizing' | Outcome;
export type ToolResultStatus =
  'ok' | 'error' | 'rejected' | 'responded' | 'outcome_unknown' | 'denied';

export interface TextPart {
  type: 'text' | 'reasoning';
  text: string;
  /** The tool calls that lead to the sub-agent it comes from. */
  path?: string[];
}

export interface ToolCallPart {
  type: 'tool_call';
  toolCallId: string;
  name: string;
  /** What runs or ran; {} until it is complete. */
  args: JsonObject;
  /** What the model asked for, where a person edited it. */
  proposedArgs?: JsonObject;
  status: 'streaming' | 'ready' | 'waiting' | 'running' | ToolResultStatus;
  output?: string;
  decision?: string;
  path?: string[];
}

export interface AttachmentPart {
  type: 'attachment';
  name: string;
  mediaType: string;
  url?: string;
  data?: Json;
  path?: string[];
}

/** What the user wrote while the answer was being made, where the agent heard it. */
export interface SteeredPart {
  type: 'steered';
  messageId: string;
  text: string;
  /** False: the answer ended before that. */
  heard: boolean;
}

export type MessagePart = TextPart | ToolCallPart | AttachmentPart | SteeredPart;

/** Tokens. `cacheRead` is part of the input, `reasoning` part of the output. */
export interface TokenCount {
  inputTokens: number;
  outputTokens: number;
  cacheRead: number;
  reasoning: number;
}

export interface Usage extends TokenCount {
  /** Of the last model call. */
  contextUsed: number;
  contextMax: number | null;
}

export interface MessageError {
  code: string;
  message: string;
}

export interface Message {
  messageId: string;
  conversationId: string;
  parentMessageId: string | null;
  role: 'user' | 'assistant';
  content: MessagePart[];
  status: 'streaming' | 'complete' | 'unfinished';
  error?: MessageError;
  usage?: Usage;
  agentId: string;
  model: string;
  createdAt: string;
}

/** A message of a branch. */
export interface BranchMessage extends Message {
  /** Ids of all messages with its parent, itself included, oldest first. */
  siblings: string[];
}

export interface Conversation {
  conversationId: string;
  title: string | null;
  temporary: boolean;
  createdAt: string;
  updatedAt: string;
}

export type DecisionKind = 'approve' | 'edit' | 'reject' | 'respond' | 'retry' | 'done' | 'skip';

export interface Decision {
  toolCallId: string;
  decision: DecisionKind;
  editedArgs?: JsonObject;
  responseText?: string;
  reason?: string;
  scope?: 'once' | 'conversation' | 'always';
}

export type Answers = Record<string, string | string[]>;

export interface ApprovalRequest {
  toolCallId: string;
  name: string;
  args: JsonObject;
  argsHash: string;
  description?: string;
  argsSchema?: JsonObject;
  allowedDecisions: DecisionKind[];
  mayRemember?: boolean;
  /** Do not preselect yes. */
  defaultToNo?: boolean;
}

export interface Question {
  id: string;
  question: string;
  header?: string;
  options?: { label: string; value?: string; description?: string }[];
  multiSelect?: boolean;
  /** False: only the options may be answered. */
  freeText?: boolean;
}

interface ActionBase {
  actionId: string;
  revision: number;
  generationId: string;
  conversationId: string;
  createdAt: string;
  /** Null: never. */
  expiresAt: string | null;
  /** Who asks, where it is not the agent that the turn was asked of. */
  agentId?: string;
}

/** What a paused generation waits for. */
export type PendingAction =
  | (ActionBase & { kind: 'tool_approval'; requests: ApprovalRequest[] })
  | (ActionBase & { kind: 'ask_user_question'; questions: Question[] })
  | (ActionBase & { kind: 'recovery'; requests: ApprovalRequest[] })
  | (ActionBase & {
      kind: 'custom';
      value: Json;
      /** JSON Schema of the response. */
      responseSchema?: JsonObject;
      path?: string[];
    });

/** What a reader holds: the fold of the events up to some place. */
export interface StreamState {
  generationId: string;
  conversationId: string;
  status: GenerationStatus;
  message: Message;
  pendingAction?: PendingAction;
  usage?: Usage;
  title?: string;
}

export interface EventBodies {
  created: {
    conversationId: string;
    generationId: string;
    agentId: string;
    model: string;
    userMessage: Message;
    responseMessageId: string;
    /** Why this agent answers. */
    route?: { by: 'client' | 'conversation' | 'rule' | 'model' | 'default'; rule?: string };
    /** Of the answer, where it goes on with another answer. */
    parentMessageId?: string;
  };
  queued: { position: number };
  text_delta: { part: number; text: string; path?: string[]; call?: string };
  reasoning_delta: { part: number; text: string; path?: string[]; call?: string };
  tool_call: { part: number; toolCallId: string; name: string; path?: string[] };
  tool_args_delta: { toolCallId: string; text: string };
  tool_ready: { toolCallId: string; name: string; args: JsonObject };
  tool_result: { toolCallId: string; status: ToolResultStatus; output: string };
  pending_action: { action: PendingAction };
  action_resolved: {
    actionId: string;
    outcome: 'decided' | 'expired' | 'superseded' | 'aborted';
    decisions?: Decision[];
    answers?: Answers;
    response?: Json;
    decidedBy: string | null;
    decidedAt: string;
  };
  action_expiring: { actionId: string; expiresAt: string };
  agent: { path: string[]; agentId: string; state: 'started' | 'finished' };
  /** Who answers the user from here on. */
  hand_off: { toolCallId: string; agentId: string; model: string };
  usage: {
    call: TokenCount;
    total: TokenCount;
    contextUsed: number;
    contextMax: number | null;
    path?: string[];
  };
  title: { title: string };
  attachment: {
    part: number;
    name: string;
    mediaType: string;
    url?: string;
    data?: Json;
    path?: string[];
  };
  steered: { part: number; messageId: string; text: string; heard: boolean };
  custom: { data: Json; path?: string[] };
  segment: {
    reason: 'resumed' | 'recovered';
    keep: number;
    state?: StreamState;
    calls?: (string | null)[];
  };
  done: {
    status: Outcome;
    /** Past 64 KiB without content, but with `contentHash`. */
    message: Omit<Message, 'content'> & { content?: MessagePart[]; contentHash?: string };
    conversation: Conversation;
    usage: Usage | null;
    error?: MessageError;
  };
}

export interface SnapshotBodies {
  sync: { upTo: number; state: StreamState };
  reset: {
    reason: 'malformed' | 'epoch' | 'expired';
    upTo: number;
    state: StreamState;
  };
}

type Bodies = EventBodies & SnapshotBodies;

/** A frame of the stream: its name as `type`, its data, and where in the log it stands. */
export type StreamEvent = {
  [T in keyof Bodies]: { type: T; seq: number; at: string } & Bodies[T];
}[keyof Bodies];
export type EventOf<T extends keyof Bodies> = Extract<StreamEvent, { type: T }>;
