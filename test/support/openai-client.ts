import { SignJWT } from 'jose';
import OpenAI from 'openai';
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';

/** The stock client, and its bytes. */

export const SECRET = 'a secret that only this test knows';

/** Its own sockets close with each answer: none outlives the test. */
export function openAi(baseUrl: string, apiKey = 'any key'): OpenAI {
  const defaultHeaders = { connection: 'close' };
  return new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey, maxRetries: 0, defaultHeaders });
}

export function tokenOf(user: string): Promise<string> {
  return new SignJWT()
    .setSubject(user)
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
}

export interface Got {
  status: number;
  headers: Headers;
  text: string;
}

export interface Asked {
  apiKey?: string;
  body?: unknown;
  cursor?: string;
  /** Closes the connection once so many frames have come, or more. */
  leaveAfter?: number;
}

function requestOf({ body, cursor, apiKey }: Asked): RequestInit {
  const headers = new Headers({ connection: 'close' });
  if (cursor !== undefined) headers.set('last-event-id', cursor);
  if (apiKey !== undefined) headers.set('authorization', `Bearer ${apiKey}`);
  if (body === undefined) return { headers };
  headers.set('content-type', 'application/json');
  return { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) };
}

export async function ask(url: string, asked: Asked = {}): Promise<Got> {
  const { leaveAfter = Infinity } = asked;
  const response = await fetch(url, requestOf(asked));
  const { status, headers } = response;
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    // Leaving the loop closes the connection.
    if (framesOf(text).length >= leaveAfter) break;
  }
  return { status, headers, text };
}

export interface Frame {
  id: string;
  data: string;
  /** All of it, to compare byte for byte. */
  whole: string;
}

/** The whole frames; comments are left out. */
export function framesOf(text: string): Frame[] {
  const blocks = text.split('\n\n').slice(0, -1);
  return blocks
    .filter((block) => block.startsWith('id: '))
    .map((whole) => {
      const field = (name: string): string => {
        const line = whole.split('\n').find((it) => it.startsWith(`${name}: `)) ?? '';
        return line.slice(name.length + 2);
      };
      return { id: field('id'), data: field('data'), whole };
    });
}

export const wholeOf = (frames: Frame[]): string[] => frames.map(({ whole }) => whole);

export async function eventsOf(
  stream: AsyncIterable<ResponseStreamEvent>,
): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** Asks until it is so: a response that goes on in the background. */
export async function until(
  client: OpenAI,
  id: string,
  so: (response: Response) => boolean,
): Promise<Response> {
  const deadline = Date.now() + 25_000;
  for (;;) {
    const response = await client.responses.retrieve(id);
    if (so(response)) return response;
    if (Date.now() > deadline) throw new Error(`it never came to be: ${JSON.stringify(response)}`);
  }
}

export function approvalsOf(response: Response) {
  return response.output.filter((item) => item.type === 'mcp_approval_request');
}
