import type { ToolCallPart, ToolResultStatus } from '../../stream/message.ts';
import type { PendingAction } from '../../stream/pending-action.ts';
import { formatApprovalId, formatQuestionId } from './ids.ts';

/** The items of a response's output, in the words of OpenAI's Responses API. */

/** Our tools run here, like those of a remote MCP server: a `function_call` would ask the client to run them. */
export const SERVER_LABEL = 'holdfast';

type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

export interface TextItem {
  id: string;
  type: 'message';
  role: 'assistant';
  status: ItemStatus;
  content: { type: 'output_text'; text: string; annotations: []; logprobs: [] }[];
}

export interface ReasoningItem {
  id: string;
  type: 'reasoning';
  status: ItemStatus;
  summary: [];
  content: { type: 'reasoning_text'; text: string }[];
}

export interface CallItem {
  id: string;
  type: 'mcp_call';
  server_label: string;
  name: string;
  arguments: string;
  output: string | null;
  error: string | null;
  approval_request_id: string | null;
  status: ItemStatus | 'failed';
}

export interface ApprovalItem {
  id: string;
  type: 'mcp_approval_request';
  server_label: string;
  name: string;
  arguments: string;
}

export interface QuestionItem {
  id: string;
  type: 'function_call';
  call_id: string;
  name: string;
  arguments: string;
  status: ItemStatus;
}

export type Item = TextItem | ReasoningItem | CallItem | ApprovalItem | QuestionItem;

export type TextKind = 'message' | 'reasoning';

/** The one content part of an item of text. */
export function textPart(kind: TextKind, text: string) {
  return kind === 'message'
    ? { type: 'output_text' as const, text, annotations: [] as [], logprobs: [] as [] }
    : { type: 'reasoning_text' as const, text };
}

/** `text` null: its part is still to come. */
export function textItem(
  kind: TextKind,
  { id, text, status }: { id: string; text: string | null; status: ItemStatus },
): TextItem | ReasoningItem {
  if (kind === 'message') {
    const part = { type: 'output_text' as const, annotations: [] as [], logprobs: [] as [] };
    const content = text === null ? [] : [{ ...part, text }];
    return { id, type: 'message', role: 'assistant', status, content };
  }
  const content = text === null ? [] : [{ type: 'reasoning_text' as const, text }];
  return { id, type: 'reasoning', status, summary: [], content };
}

/** A tool call as the fold knows it. */
export interface Call {
  name: string;
  /** JSON, as far as it came. */
  args: string;
  /** The item that asked for its approval. */
  approvalId: string | null;
  /** Its item that is open; null: none. */
  index: number | null;
  result: { status: ToolResultStatus; output: string } | null;
}

const WORKED: readonly ToolResultStatus[] = ['ok', 'responded'];

export function worked({ result }: Call): boolean {
  return result !== null && WORKED.includes(result.status);
}

/** `open`: it may still go on in this response. */
export function callItem(id: string, call: Call, { open }: { open: boolean }): CallItem {
  const { name, args, approvalId, result } = call;
  const ok = worked(call);
  const unfinished = open ? 'in_progress' : 'incomplete';
  const ended = ok ? 'completed' : 'failed';
  return {
    id,
    type: 'mcp_call',
    server_label: SERVER_LABEL,
    name,
    arguments: args,
    output: ok && result ? result.output : null,
    // What did not work says why in its result.
    error: result && !ok ? result.output || result.status : null,
    approval_request_id: approvalId,
    status: result ? ended : unfinished,
  };
}

/** The call as a message keeps it. */
export function callOfPart({ name, args, status, output }: ToolCallPart): Omit<Call, 'index'> {
  const known = { name, args: JSON.stringify(args), approvalId: null };
  if (status === 'streaming') return { ...known, args: '', result: null };
  const unfinished = status === 'ready' || status === 'waiting' || status === 'running';
  return { ...known, result: unfinished ? null : { status, output: output ?? '' } };
}

/** What a pause asks for: an approval for each call, or one function call with the questions or what a graph asks. */
export function askingItems(
  action: PendingAction,
  newId: (place: number) => string,
): (ApprovalItem | QuestionItem)[] {
  if (!('requests' in action)) {
    const call_id = formatQuestionId(action.actionId);
    return [
      { id: newId(0), type: 'function_call', call_id, ...functionOf(action), status: 'completed' },
    ];
  }
  return action.requests.map(({ name, args }, index) => ({
    id: formatApprovalId({ actionId: action.actionId, index }),
    type: 'mcp_approval_request',
    server_label: SERVER_LABEL,
    name,
    arguments: JSON.stringify(args),
  }));
}

type Questioning = Exclude<PendingAction, { requests: unknown }>;

function functionOf(action: Questioning): Pick<QuestionItem, 'name' | 'arguments'> {
  if (action.kind === 'ask_user_question')
    return { name: 'ask_user', arguments: JSON.stringify({ questions: action.questions }) };
  const { value, responseSchema } = action;
  return { name: 'custom_interrupt', arguments: JSON.stringify({ value, responseSchema }) };
}
