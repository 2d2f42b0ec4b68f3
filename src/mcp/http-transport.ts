import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { isRecord } from '../agent/chunk-content.ts';

/** Code of the error that stands for an answer which will not come. Not one of JSON-RPC's or of MCP's. */
export const LOST = -32_098;

/** Largest body of one response. */
export const MOST_BYTES = 10 * 1024 * 1024;

type SendOptions = NonNullable<Parameters<StreamableHTTPClientTransport['send']>[1]>;

/** An answer that is under way. */
interface Awaited {
  /** The server numbers its events, so the SDK asks for the rest when the stream ends early. */
  resumable: boolean;
}

/**
 * The SDK's transport over HTTP with two things added: responses have a bound, and a request whose response ended
 * without an answer fails at once instead of at its timeout.
 */
export class HttpTransport extends StreamableHTTPClientTransport {
  readonly #awaited = new Map<string | number, Awaited>();

  constructor(url: URL, headers: Record<string, string>) {
    super(url, {
      requestInit: { headers },
      fetch: (to, init) => this.#fetch(to, init),
    });
    // The SDK calls what stands here before its own handler.
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK has no events
    this.onmessage = (message) => {
      if ('id' in message && !('method' in message) && message.id !== undefined)
        this.#awaited.delete(message.id);
    };
  }

  override async send(
    message: JSONRPCMessage | JSONRPCMessage[],
    options: SendOptions = {},
  ): Promise<void> {
    if (Array.isArray(message) || !('id' in message && 'method' in message))
      return super.send(message, options);
    const awaited: Awaited = { resumable: false };
    this.#awaited.set(message.id, awaited);
    const onresumptiontoken = (token: string): void => {
      awaited.resumable = true;
      options.onresumptiontoken?.(token);
    };
    try {
      return await super.send(message, { ...options, onresumptiontoken });
    } catch (error) {
      this.#awaited.delete(message.id);
      throw error;
    }
  }

  /** Gives up an answer: the SDK may have gone on without telling anybody. */
  forget(id: string | number): void {
    const awaited = this.#awaited.get(id);
    if (!awaited || awaited.resumable) return;
    this.#awaited.delete(id);
    const error = { code: LOST, message: 'The connection ended before the answer.' };
    this.onmessage?.({ jsonrpc: '2.0', id, error });
  }

  async #fetch(to: string | URL, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(to, init);
    const { body, status, statusText, headers } = response;
    if (!body) return response;
    const id = requestId(init);
    const ended = (): void => {
      // What was read may still be on its way through the parser.
      if (id !== undefined) setImmediate(() => setImmediate(() => this.forget(id)));
    };
    return new Response(watched(body, ended), { status, statusText, headers });
  }
}

function requestId({ method, body }: RequestInit): string | number | undefined {
  if (method !== 'POST' || typeof body !== 'string') return undefined;
  const message: unknown = JSON.parse(body);
  if (!isRecord(message)) return undefined;
  const { id } = message;
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}

/** The same bytes, up to the bound; `ended` is called at their end, whatever it was. */
function watched(body: ReadableStream<Uint8Array>, ended: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let total = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) {
          controller.close();
          ended();
          return;
        }
        total += value.byteLength;
        if (total > MOST_BYTES) throw new Error(`The response has more than ${MOST_BYTES} bytes.`);
        controller.enqueue(value);
      } catch (error) {
        controller.error(error);
        ended();
        await reader.cancel(error).catch(() => {
          // It is broken already.
        });
      }
    },
    async cancel(reason) {
      await reader.cancel(reason);
    },
  });
}
