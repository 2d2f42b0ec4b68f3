import { createServer } from 'node:http';
import { list, object, type Shape } from './shape.ts';

export interface FakeModeration {
  url: string;
  /** Bodies with path and authorization. */
  asked: Shape[];
  close: () => Promise<void>;
}

/** A moderation that flags what says `bad`, is broken by `boom`, and never answers `slow`. */
export async function startModeration(): Promise<FakeModeration> {
  const asked: Shape[] = [];
  const server = createServer((req, res) => {
    let body = '';
    req.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
    req.on('end', () => {
      const sent = object(JSON.parse(body));
      asked.push({ ...sent, path: req.url, authorization: req.headers.authorization });
      const input = list(sent['input']).map(String);
      if (input.some((text) => text.includes('slow'))) return;
      if (input.some((text) => text.includes('boom'))) res.statusCode = 500;
      const results = input.map((text) => {
        return { flagged: text.includes('bad'), categories: { hate: text.includes('bad') } };
      });
      res.end(JSON.stringify({ results }));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
