import { request as httpRequest } from 'node:http';
import { isShape, list, object, type Shape, text } from './shape.ts';

export interface ApiRequest {
  path: string;
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface ApiAnswer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  text: string;
  /** `{}` where the answer is no JSON object. */
  json: Shape;
}

function jsonOf(body: string): Shape {
  try {
    const value: unknown = JSON.parse(body);
    return isShape(value) ? value : {};
  } catch {
    // Not every route answers JSON: `/metrics`, and 204 without a body.
    return {};
  }
}

/** One request on a connection of its own, which is closed with the answer. */
export function request(baseUrl: string, what: ApiRequest): Promise<ApiAnswer> {
  const body = what.body === undefined ? undefined : JSON.stringify(what.body);
  return new Promise((resolve, reject) => {
    const req = httpRequest(new URL(what.path, baseUrl), {
      method: what.method ?? (body === undefined ? 'GET' : 'POST'),
      agent: false,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...what.headers,
      },
    });
    req.on('error', reject);
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        const all = Buffer.concat(chunks).toString('utf8');
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          text: all,
          json: jsonOf(all),
        });
      });
    });
    req.end(body);
  });
}

/** What `POST /api/chat` promised. */
export interface Turn {
  generationId: string;
  conversationId: string;
  messageId: string;
  responseMessageId: string;
  status: string;
  streamPath: string;
}

export function turnOf(json: Shape): Turn {
  return {
    generationId: text(json['generationId'], 'generationId'),
    conversationId: text(json['conversationId'], 'conversationId'),
    messageId: text(json['messageId'], 'messageId'),
    responseMessageId: text(json['responseMessageId'], 'responseMessageId'),
    status: text(json['status'], 'status'),
    streamPath: `/api/chat/stream/${text(json['streamId'], 'streamId')}`,
  };
}

export async function startTurn(baseUrl: string, body: Shape): Promise<Turn> {
  const answer = await request(baseUrl, { path: '/api/chat', body });
  if (answer.status !== 202) throw new Error(`POST /api/chat: ${answer.status} ${answer.text}`);
  return turnOf(answer.json);
}

export async function getJson(baseUrl: string, path: string): Promise<Shape> {
  const answer = await request(baseUrl, { path });
  if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.text}`);
  return object(answer.json);
}

/** Live generations. A record is closed a moment after its terminal event. */
export async function activeOf(baseUrl: string): Promise<unknown[]> {
  return list((await getJson(baseUrl, '/api/chat/active'))['generations'], 'generations');
}

/** What is still live when all that ends has had its time: for who comes right behind a terminal event. */
export async function leftLive(baseUrl: string, patience = 10_000): Promise<unknown[]> {
  const deadline = Date.now() + patience;
  for (;;) {
    const live = await activeOf(baseUrl);
    if (live.length === 0 || Date.now() > deadline) return live;
    await new Promise((again) => setTimeout(again, 20));
  }
}

export async function activeGenerations(baseUrl: string): Promise<unknown> {
  return (await getJson(baseUrl, '/api/chat/active'))['generations'];
}
