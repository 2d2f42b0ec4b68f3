import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { hashOfContent } from './client-fold.ts';

/** A tiny server that keeps the protocol for one stream of words: what the readers' own tests are run against. */
export interface ScriptedStream {
  baseUrl: string;
  path: string;
  close(): Promise<void>;
}

const AT = '2026-01-01T00:00:00.000Z';

/** The frames of an answer of `words` words, after the protocol. */
export function scriptedLog(words: number): string[] {
  const common = { conversationId: 'c', agentId: 'demo', model: 'demo' };
  const text = Array.from({ length: words }, (_, i) => `wörd${i} `);
  const content = [{ type: 'text', text: text.join('') }];
  const message = { messageId: 'r', parentMessageId: 'u', role: 'assistant', ...common };
  const created = {
    ...common,
    generationId: 'g',
    responseMessageId: 'r',
    userMessage: { messageId: 'u' },
  };
  const done = {
    status: 'completed',
    message: { ...message, status: 'complete', contentHash: hashOfContent(content) },
  };
  const events: [string, object][] = [
    ['created', created],
    ...text.map((word): [string, object] => ['text_delta', { part: 0, text: word }]),
    ['done', done],
  ];
  return events.map(([event, data], index) => scriptedFrame(index + 1, event, data));
}

export function scriptedFrame(seq: number, event: string, data: object): string {
  return `id: g.${seq}\nevent: ${event}\ndata: ${JSON.stringify({ seq, at: AT, ...data })}\n\n`;
}

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
};

/** Serves `log` from the cursor on. */
export function serveLog(log: readonly string[]): Promise<ScriptedStream> {
  return serve((req, res) => {
    const cursor = Number(String(req.headers['last-event-id'] ?? 'g.0').slice(2));
    res.writeHead(cursor === log.length ? 204 : 200, STREAM_HEADERS);
    for (const frame of log.slice(cursor)) res.write(frame);
    res.end();
  });
}

export function serve(
  answer: (req: IncomingMessage, res: ServerResponse) => void,
): Promise<ScriptedStream> {
  const server = createServer(answer);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      resolve({
        baseUrl: `http://127.0.0.1:${port}`,
        path: '/stream',
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
}
