/** Shapes of docs/PROTOCOL.md that the page reads. Types only: never served. */

export type Obj = Record<string, unknown>;

export interface Part {
  type: string;
  text?: string;
  toolCallId?: string;
  name?: string;
  args?: Obj;
  proposedArgs?: Obj;
  status?: string;
  output?: string;
  decision?: string;
  mediaType?: string;
  url?: string;
  data?: unknown;
  path?: string[];
}

export interface Message {
  messageId: string;
  conversationId?: string;
  parentMessageId: string | null;
  role: string;
  content: Part[];
  status: string;
  error?: { code: string; message: string };
  usage?: { inputTokens: number; outputTokens: number };
  createdAt?: string;
}

export interface ApprovalRequest {
  toolCallId: string;
  name: string;
  args: Obj;
  description?: string;
  argsSchema?: Obj;
  allowedDecisions: string[];
  mayRemember?: boolean;
  defaultToNo?: boolean;
}

export interface Question {
  id: string;
  question: string;
  header?: string;
  options?: { label: string; value?: string; description?: string }[];
  multiSelect?: boolean;
  freeText?: boolean;
}

export interface PendingAction {
  actionId: string;
  generationId: string;
  conversationId: string;
  kind: string;
  expiresAt: string | null;
  requests?: ApprovalRequest[];
  questions?: Question[];
}

export interface StreamState {
  generationId: string;
  conversationId: string;
  status: string;
  message: Message;
  pendingAction?: PendingAction;
  title?: string;
}

export interface Decision {
  toolCallId: string;
  decision: string;
  editedArgs?: Obj;
  responseText?: string;
  reason?: string;
  scope?: string;
}

export interface Verdict {
  decisions?: Decision[];
  answers?: Record<string, string | string[]>;
}

export interface Conversation {
  conversationId: string;
  title: string | null;
  updatedAt: string;
}

export interface Status {
  conversationId: string;
  active: boolean;
  generation?: {
    generationId: string;
    streamId: string;
    status: string;
    cursor: string;
    state: StreamState;
  };
}

export interface Started {
  generationId: string;
  streamId: string;
  conversationId: string;
  messageId: string;
  responseMessageId: string;
  status: string;
}

/** One SSE frame with its data parsed. */
export interface Frame {
  id: string;
  event: string;
  data: Obj;
}

/** What a line does at this moment. */
export interface LineState {
  state: 'connecting' | 'live' | 'waiting' | 'ended' | 'refused';
  /** Cursor of the last event that came. */
  cursor: string;
  replica: string;
  /** Waiting: epoch ms of the next try. */
  until?: number;
  /** Refused: the HTTP status. */
  status?: number;
}
