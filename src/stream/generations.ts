import type { GenerationStatus, StreamState } from './events.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Owner } from './job.ts';
import type { Conversation } from './message.ts';
import type { Link } from './message-tree.ts';
import type { Client, PendingAction, Verdict } from './pending-action.ts';

/** What the outside may ask of the heart; `GenerationJobManager` is the implementation. Refusals are `AppError`s. */
export interface Generations {
  start(owner: Owner, request: StartRequest): Promise<Started>;
  /** Makes an answer again, or goes on with it (section 12). */
  again(owner: Owner, request: AgainRequest): Promise<Started>;
  /** A new conversation with a copy of a branch (section 12). */
  fork(owner: Owner, request: ForkRequest): Promise<Conversation>;
  /** Section 4 of PROTOCOL.md. */
  resume(by: Decider, request: ResumeRequest): Promise<Resumed>;
  abort(owner: Owner, target: Target): Promise<Aborted>;
  /** The answers of a conversation that are being made, or wait to be: where they stand among its messages. */
  liveAnswers(conversationId: string): Promise<Link[]>;
  status(owner: Owner, conversationId: string): Promise<ConversationStatus>;
  active(owner: Owner): Promise<ActiveGeneration[]>;
  subscribe(owner: Owner, streamId: string, from: ReadFrom): Promise<Subscribed>;
  /** Stops what is live in the conversation, then deletes messages, records, logs and checkpoints. */
  deleteConversation(owner: Owner, conversationId: string): Promise<void>;
}

/** Who answers, with which roles, from where. */
export interface Decider extends Owner {
  roles: string[];
  client: Client;
}

export type Target = { generationId: string } | { conversationId: string };

/** What clients say in place of an agent's id where the server is to choose. */
export const AUTO = 'auto';

export interface StartRequest {
  text: string;
  conversationId?: string;
  /** The conversation's id is the caller's: it is made with this turn unless it is there. */
  createConversation?: boolean;
  /** Client-made; also the idempotency key unless another is given. A message that has this id keeps it. */
  messageId?: string;
  /** From the `Idempotency-Key` header, or a protocol's own name for a turn. */
  idempotencyKey?: string;
  /** Null: beside the conversation's first turn. Absent: it follows the newest answer. */
  parentMessageId?: string | null;
  /** `auto`: the server chooses (docs/AGENTS.md). Absent: the conversation's, else the default agent. */
  agentId?: string;
  /** What a rule may look at when it chooses an agent. */
  roles?: string[];
  /** The caller's preferred language, a BCP 47 tag. */
  locale?: string;
  onBusy: 'reject' | 'enqueue' | 'interrupt' | 'steer';
  temporary: boolean;
  timezone?: string;
  /** Uploaded before, by the caller. */
  files: { fileId: string }[];
  metadata: JsonObject;
  /** Hash of the body without `conversationId`: the same key with another one is a conflict. */
  bodyHash: string;
}

/** Another answer to a message of the user's that is there already. */
export interface AgainRequest extends Pick<
  StartRequest,
  'idempotencyKey' | 'agentId' | 'roles' | 'locale' | 'timezone' | 'metadata' | 'bodyHash'
> {
  kind: 'regenerate' | 'continue';
  onBusy: Exclude<StartRequest['onBusy'], 'steer'>;
  conversationId: string;
  /** Id of an answer; where it is made again also of a user's message. */
  target: string;
}

export interface ForkRequest {
  conversationId: string;
  /** Last message of the branch. */
  messageId: string;
  idempotencyKey?: string;
}

export interface Started {
  generationId: string;
  streamId: string;
  conversationId: string;
  messageId: string;
  responseMessageId: string;
  /** `steered`: the ids are those of the answer that is being made, `messageId` is the message's. */
  status: 'started' | 'queued' | 'attached' | 'steered';
}

/** `answer` is the short form where the action asks one question; only the action knows that question's id. */
export type ResumeRequest = Target & { actionId: string } & (Verdict | { answer: string });

export interface Resumed {
  generationId: string;
  streamId: string;
  conversationId: string;
  status: 'resuming';
  /** True: this verdict had been accepted before; answer 200 instead of 202. */
  repeated: boolean;
}

export interface Aborted {
  generationId: string | null;
  status: GenerationStatus | null;
  alreadyFinished: boolean;
}

export interface ConversationStatus {
  conversationId: string;
  active: boolean;
  /** The live generation, else the last one; absent where there was none. */
  generation?: {
    generationId: string;
    streamId: string;
    status: GenerationStatus;
    cursor: string;
    startedAt: string;
    pendingAction?: PendingAction;
    state: StreamState;
    /** What the user wrote meanwhile and the agent has not heard yet, oldest first. */
    unheard?: { messageId: string; text: string }[];
  };
}

export interface ActiveGeneration {
  generationId: string;
  conversationId: string;
  status: GenerationStatus;
  startedAt: string;
}

export interface ReadFrom {
  /** Raw cursor of the client; undefined or empty: from the start. */
  cursor: string | undefined;
  /** From the start without coalescing: every event that there ever was, for a fold of another protocol. */
  exact?: boolean;
  /** One `sync` frame instead of the past. */
  snapshot: boolean;
}

export type Subscribed =
  /** The cursor names the last event of a finished stream: 204. */
  | { outcome: 'at_end' }
  | { outcome: 'open'; open(sink: FrameSink): Reader }
  /** The log can't be read at this moment, and will be: the client is to come back with its cursor. */
  | { outcome: 'later' };

/** Where frames go: a socket. */
export interface FrameSink {
  /** False: its buffer is full, and `Reader.drained` is due. `last`: for the moment there is no more. */
  write(frames: Uint8Array, last?: boolean): boolean;
  /** The terminal event was written. */
  end(): void;
  /** The stream can't be continued here; the client must come back with its cursor. Never a clean end. */
  destroy(): void;
}

export interface Reader {
  drained(): void;
  /** The client left. Idempotent. */
  close(): void;
}
