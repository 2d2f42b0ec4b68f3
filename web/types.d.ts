/** Shapes of docs/PROTOCOL.md that the page reads. Types only: never served. */

export type Obj = Record<string, unknown>;

export interface Part {
  type: string;
  text?: string | undefined;
  toolCallId?: string | undefined;
  name?: string | undefined;
  args?: Obj | undefined;
  proposedArgs?: Obj | undefined;
  status?: string | undefined;
  output?: string | undefined;
  decision?: string | undefined;
  mediaType?: string | undefined;
  url?: string | undefined;
  data?: unknown;
  /** Of what the user said meanwhile. */
  messageId?: string | undefined;
  /** Undefined: not yet. */
  heard?: boolean | undefined;
  path?: string[] | undefined;
}

export interface UploadedFile {
  fileId: string;
  name: string;
  mediaType: string;
  url: string;
}

export interface Message {
  messageId: string;
  conversationId?: string | undefined;
  parentMessageId: string | null;
  role: string;
  content: Part[];
  status: string;
  error?: { code: string | undefined; message: string };
  usage?: { inputTokens: number | undefined; outputTokens: number };
  createdAt?: string | undefined;
  /** In a list of one branch: all messages with its parent. */
  siblings?: string[];
}

export interface ApprovalRequest {
  toolCallId: string;
  name: string;
  args: Obj;
  description?: string | undefined;
  argsSchema?: Obj | undefined;
  allowedDecisions: string[];
  mayRemember?: boolean | undefined;
  defaultToNo?: boolean | undefined;
}

export interface Option {
  label: string;
  value?: string | undefined;
  description?: string | undefined;
}

export interface Question {
  id: string;
  question: string;
  header?: string | undefined;
  options?: Option[] | undefined;
  multiSelect?: boolean | undefined;
  freeText?: boolean | undefined;
}

export interface PendingAction {
  actionId: string;
  generationId: string;
  conversationId: string;
  kind: string;
  expiresAt: string | null;
  requests?: ApprovalRequest[] | undefined;
  questions?: Question[] | undefined;
  /** What a graph asks in its own form, and the JSON Schema of the response. */
  value?: unknown;
  responseSchema?: Obj | undefined;
}

export interface StreamState {
  generationId: string;
  conversationId: string;
  status: string;
  message: Message;
  pendingAction?: PendingAction | undefined;
  title?: string | undefined;
}

export interface Decision {
  toolCallId: string;
  decision: string;
  editedArgs?: Obj | undefined;
  responseText?: string | undefined;
  reason?: string | undefined;
  scope?: string | undefined;
}

export interface Verdict {
  decisions?: Decision[] | undefined;
  answers?: Record<string, string | string[]> | undefined;
  response?: unknown;
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
    unheard?: { messageId: string; text: string }[];
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
  until?: number | undefined;
  /** Refused: the HTTP status. */
  status?: number | undefined;
}
