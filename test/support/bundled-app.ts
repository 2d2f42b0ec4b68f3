import { build } from 'esbuild';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a bundler's development server does: the app's files, and everything under `/ai-sdk` passed on. */
export interface BundledApp extends AsyncDisposable {
  readonly url: string;
  /** Breaks every connection that is passed on at this moment, as a network does. */
  cut(): number;
}

export async function serveApp(options: {
  folder: string;
  /** Modules that the app has from its dependencies. */
  alias: Record<string, string>;
  backend: string;
}): Promise<BundledApp> {
  const files = await filesOf(options);
  const passed = new Set<IncomingMessage>();

  const pass = (req: IncomingMessage, res: ServerResponse): void => {
    const onward = request(
      new URL(req.url ?? '/', options.backend),
      { method: req.method, headers: req.headers, agent: false },
      (answer) => {
        passed.add(answer);
        res.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(res);
        answer.on('close', () => {
          passed.delete(answer);
          if (!answer.complete) res.destroy();
        });
      },
    );
    onward.on('error', () => res.destroy());
    res.on('close', () => onward.destroy());
    req.pipe(onward);
  };

  const server = createServer((req, res) => {
    const { pathname } = new URL(req.url ?? '/', 'http://app');
    const file = files.get(pathname);
    if (pathname.startsWith('/ai-sdk/')) pass(req, res);
    else
      res
        .writeHead(file ? 200 : 404, { 'Content-Type': file?.type ?? 'text/plain' })
        .end(file?.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('it listens nowhere');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    cut() {
      const { size } = passed;
      for (const answer of passed) answer.destroy();
      return size;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

interface File {
  type: string;
  body: string;
}

async function filesOf({
  folder,
  alias,
}: {
  folder: string;
  alias: Record<string, string>;
}): Promise<Map<string, File>> {
  const { outputFiles } = await build({
    entryPoints: [join(folder, 'src/main.tsx')],
    bundle: true,
    format: 'esm',
    write: false,
    alias,
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  return new Map([
    ['/', { type: 'text/html', body: readFileSync(join(folder, 'index.html'), 'utf8') }],
    ['/src/app.css', { type: 'text/css', body: readFileSync(join(folder, 'src/app.css'), 'utf8') }],
    ['/src/main.tsx', { type: 'text/javascript', body: outputFiles[0]?.text ?? '' }],
  ]);
}
