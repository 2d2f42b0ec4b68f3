import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A local server that speaks the Chat Completions stream as the provider does: role chunk, content deltas, tool
 * calls in fragments with an index, finish reason, usage chunk with empty choices, `[DONE]`.
 */

export interface ToolCallDelta {
  index: number;
  id?: string;
  name?: string;
  args?: string;
}

/** One thing that the server does while it answers. */
export type Act =
  | { delta: { content?: string; reasoning_content?: string; tool_calls?: ToolCallDelta[] } }
  | { finish: string }
  | { usage: { prompt: number; completion: number; cached?: number; reasoning?: number } }
  | { done: true }
  /** An error object in the middle of the stream. */
  | { error: { message: string; type: string; code: string | null } }
  /** The connection breaks, or nothing more comes on it. */
  | { reset: true }
  | { stall: true }
  | { comment: string };

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  /** Error body of a refused request. */
  refusal?: { message: string; type: string; code: string | null };
  acts?: Act[];
  /** Id of every chunk: some gateways always send the same. */
  id?: string;
  /** Bytes of one write: every frame is cut there, inside characters too. Default: one write for all. */
  chunkBytes?: number;
}

export interface SentRequest {
  headers: Record<string, string | string[] | undefined>;
  body: Record<string, unknown>;
}

export interface FakeOpenAi extends AsyncDisposable {
  baseURL: string;
  requests: SentRequest[];
  /** Connections that the client closed before the answer was over. */
  readonly abandoned: number;
}

export const role: Act = { delta: { content: '' } };
export const say = (...words: string[]): Act[] => words.map((content) => ({ delta: { content } }));
export const stop: Act[] = [{ finish: 'stop' }, { done: true }];

function frame(answer: Answer, act: Act): string {
  if ('done' in act) return 'data: [DONE]\n\n';
  if ('comment' in act) return `: ${act.comment}\n\n`;
  if ('error' in act) return `data: ${JSON.stringify({ error: act.error })}\n\n`;
  const head = {
    id: answer.id ?? `chatcmpl-${Math.random().toString(36).slice(2)}`,
    object: 'chat.completion.chunk',
    created: 1_795_219_200,
    model: 'gpt-test-2026-01-01',
    system_fingerprint: 'fp_1',
  };
  return `data: ${JSON.stringify({ ...head, ...payload(act) })}\n\n`;
}

const choice = (delta: object, finish_reason: string | null) => ({
  choices: [{ index: 0, delta, logprobs: null, finish_reason }],
  usage: null,
});

function payload(act: Act): object {
  if ('usage' in act) {
    const { prompt, completion, cached = 0, reasoning = 0 } = act.usage;
    return {
      choices: [],
      usage: {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: prompt + completion,
        prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: 0 },
      },
    };
  }
  if ('finish' in act) return choice({}, act.finish);
  if (!('delta' in act)) return {};
  const { tool_calls: calls, ...delta } = act.delta;
  const speaker = act === role ? { role: 'assistant' } : {};
  if (!calls) return choice({ ...speaker, ...delta }, null);
  const tool_calls = calls.map(({ index, id, name, args = '' }) => ({
    index,
    ...(id === undefined ? {} : { id, type: 'function' }),
    function: { ...(name === undefined ? {} : { name }), arguments: args },
  }));
  return choice({ tool_calls }, null);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function write(response: ServerResponse, text: string, chunkBytes: number): Promise<void> {
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    response.write(bytes.subarray(start, start + chunkBytes));
    // Its own packet, not one with the next.
    await turn();
  }
}

async function play(response: ServerResponse, answer: Answer): Promise<void> {
  const acts = answer.acts ?? [];
  const last = acts.at(-1);
  const ending = last && ('reset' in last || 'stall' in last) ? last : undefined;
  const text = (ending ? acts.slice(0, -1) : acts).map((act) => frame(answer, act)).join('');
  await write(response, text, answer.chunkBytes ?? Math.max(text.length * 4, 1));
  if (ending && 'stall' in ending) return;
  if (!ending) return void response.end();
  // The client has read what came before: a reset throws away what is still in its buffers.
  await new Promise((resolve) => setTimeout(resolve, 30));
  response.socket?.resetAndDestroy();
}

async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  const body: unknown = JSON.parse(text);
  return typeof body === 'object' && body !== null ? { ...body } : {};
}

/** Gives `answers` in turn; the last one for every further request. */
export async function startFakeOpenAi(answers: Answer[]): Promise<FakeOpenAi> {
  const requests: SentRequest[] = [];
  let abandoned = 0;
  const server = createServer((request, response) => {
    response.on('close', () => {
      if (!response.writableEnded) abandoned += 1;
    });
    void (async () => {
      const answer = answers[Math.min(requests.length, answers.length - 1)] ?? {};
      requests.push({ headers: request.headers, body: await read(request) });
      const status = answer.status ?? 200;
      if (status !== 200) {
        response.writeHead(status, { 'content-type': 'application/json', ...answer.headers });
        response.end(JSON.stringify({ error: answer.refusal ?? {} }));
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      await play(response, answer);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address: AddressInfo | string | null = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    baseURL: `http://127.0.0.1:${port}/v1`,
    requests,
    get abandoned() {
      return abandoned;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
