import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { isShape, list, object, text, type Shape } from './shape.ts';

export interface ReceivedSpan {
  name: string;
  traceId: string;
  spanId: string;
  /** '' for a root. */
  parentSpanId: string;
  attributes: Record<string, unknown>;
  failed: boolean;
}

export interface OtlpReceiver {
  url: string;
  spans: ReceivedSpan[];
  /** Attributes of the resource of the newest batch. */
  resource(): Record<string, unknown>;
  /** All bodies and headers as they came. */
  raw(): string;
  close(): Promise<void>;
}

const STATUS_ERROR = 2;

/** `{key, value: {stringValue: …}}` of OTLP's JSON as a plain object. */
function attributesOf(shape: Shape): Record<string, unknown> {
  return Object.fromEntries(
    list(shape['attributes'] ?? []).map((pair) => {
      const { key, value } = object(pair);
      return [text(key), Object.values(object(value))[0]];
    }),
  );
}

function spanOf(value: unknown): ReceivedSpan {
  const span = object(value);
  const { status } = span;
  return {
    name: text(span['name']),
    traceId: text(span['traceId']),
    spanId: text(span['spanId']),
    parentSpanId: typeof span['parentSpanId'] === 'string' ? span['parentSpanId'] : '',
    attributes: attributesOf(span),
    failed: isShape(status) && status['code'] === STATUS_ERROR,
  };
}

/** The other end of OTLP over HTTP with JSON. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  let resource: Record<string, unknown> = {};
  let raw = '';
  const sockets = new Set<Socket>();
  const take = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const body = await textOf(req);
    raw += `${req.url} ${JSON.stringify(req.headers)}\n${body}\n`;
    for (const batch of list(object(JSON.parse(body))['resourceSpans'])) {
      resource = attributesOf(object(object(batch)['resource']));
      for (const scope of list(object(batch)['scopeSpans'])) {
        spans.push(...list(object(scope)['spans']).map(spanOf));
      }
    }
    res.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
  };
  const server = createServer((req, res) => {
    void take(req, res);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    resource: () => resource,
    raw: () => raw,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
