import { Chat } from '@ai-sdk/react';
import { type ChatInit, DefaultChatTransport, isToolUIPart, type UIMessage } from 'ai';
import { request } from './api.ts';
import { list } from './shape.ts';

/** The stock client of the AI SDK, as a program uses it: nothing of it is replaced. */

/** Cuts a response behind so many of its frames, as a network does. */
export function cutAfter(frames: number): { fetch: typeof fetch; cuts: number } {
  const state = { fetch: cutting, cuts: 0 };
  async function cutting(...args: Parameters<typeof fetch>): Promise<Response> {
    const response = await fetch(...args);
    if (!response.body || state.cuts > 0) return response;
    let seen = '';
    const cut = new TransformStream<Uint8Array, Uint8Array>({
      transform(bytes, controller) {
        controller.enqueue(bytes);
        seen += Buffer.from(bytes).toString('latin1');
        if (seen.split('\ndata: ').length <= frames) return;
        state.cuts += 1;
        controller.error(new TypeError('network error'));
      },
    });
    return new Response(response.body.pipeThrough(cut), response);
  }
  return state;
}

export interface Client {
  chat: Chat<UIMessage>;
  finished: { reason: string | undefined; isError: boolean; isDisconnect: boolean }[];
  errors: string[];
  /** Types of data parts. */
  data: string[];
  /** Ids of tool calls that the client was told of. */
  calls: string[];
}

export interface ClientOptions extends Pick<
  ChatInit<UIMessage>,
  'id' | 'messages' | 'sendAutomaticallyWhen'
> {
  fetch?: typeof fetch;
  headers?: Record<string, string>;
}

export function clientOf(baseUrl: string, options: ClientOptions = {}): Client {
  const { fetch, headers, ...init } = options;
  const finished: Client['finished'] = [];
  const errors: string[] = [];
  const data: string[] = [];
  const calls: string[] = [];
  const chat = new Chat<UIMessage>({
    ...init,
    transport: new DefaultChatTransport({
      api: `${baseUrl}/ai-sdk/chat`,
      headers: { connection: 'close', ...headers },
      ...(fetch && { fetch }),
    }),
    onError: (error) => void errors.push(error.message),
    onData: ({ type }) => void data.push(type),
    onToolCall: ({ toolCall }) => void calls.push(toolCall.toolCallId),
    onFinish: ({ finishReason: reason, isError, isDisconnect }) => {
      finished.push({ reason, isError, isDisconnect });
    },
  });
  return { chat, finished, errors, data, calls };
}

export async function loadMessages(baseUrl: string, id: string): Promise<UIMessage[]> {
  const { status, text } = await request(baseUrl, { path: `/ai-sdk/chat/${id}/messages` });
  if (status !== 200) throw new Error(`messages of ${id}: ${status} ${text}`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the tests compare them with what the client makes
  return list(JSON.parse(text), 'messages') as UIMessage[];
}

export function textOf(message: UIMessage | undefined): string {
  return (message?.parts ?? [])
    .flatMap((part) => (part.type === 'text' ? [part.text] : []))
    .join('|');
}

/** `<tool>:<state>` of each call. */
export function callsOf(message: UIMessage | undefined): string[] {
  return toolPartsOf(message).map((part) => `${part.type.slice(5)}:${part.state}`);
}

export function toolPartsOf(message: UIMessage | undefined) {
  return (message?.parts ?? []).filter(isToolUIPart);
}

export function approvalsOf(message: UIMessage | undefined): string[] {
  return toolPartsOf(message).flatMap((part) =>
    part.state === 'approval-requested' ? [part.approval.id] : [],
  );
}

const WAIT_MS = 25_000;

/** Polls until it holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`it never came to be: ${condition.toString()}`);
    await new Promise((again) => setTimeout(again, 5));
  }
}

/** What the client shows, without what only a stream or only the record knows. */
export function shown(messages: UIMessage[]): unknown[] {
  return messages.map(({ id, role, parts }) => {
    const kept = parts.filter((part) => !isOfStream(part)).map(shownPart);
    return { id, role, parts: kept };
  });
}

/** No call of a tool stands for what a graph asked in its own form: once it is answered the record does not show it. */
function isOfStream(part: UIMessage['parts'][number]): boolean {
  if (part.type === 'step-start') return true;
  return part.type === 'tool-custom_interrupt' && 'output' in part;
}

function shownPart(part: UIMessage['parts'][number]): unknown {
  if (isToolUIPart(part)) {
    const { type, toolCallId, state, input, output, errorText } = part;
    return { type, toolCallId, state, input, output, errorText };
  }
  return 'text' in part ? { type: part.type, text: part.text } : part;
}
