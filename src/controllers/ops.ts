import { AppError } from '../errors.ts';
import type { AppContext } from '../http/context.ts';
import type { Call } from '../http/route.ts';
import { delay } from '../lib/clock.ts';

interface Context extends Pick<AppContext, 'metrics' | 'readiness' | 'isDraining' | 'clock'> {
  openApi(): string;
  docsPage(): { html: string; policy: string };
}

/** A store that does not answer within this is not reachable. */
const READINESS_MS = 2_000;

function notReady(message: string, cause?: unknown): AppError {
  return new AppError('UNAVAILABLE', message, { cause, headers: { 'Retry-After': '1' } });
}

/** For those who run the server. Nothing here shows an id or a text of a user. */
export function createOpsController(ctx: Context) {
  const storesAnswer = async (): Promise<void> => {
    const over = new AbortController();
    const late = delay(ctx.clock, READINESS_MS, over.signal).then(() => {
      if (!over.signal.aborted) throw new Error('the stores did not answer in time');
      return undefined;
    });
    try {
      await Promise.race([ctx.readiness(), late]);
    } catch (error) {
      throw notReady('A store cannot be reached.', error);
    } finally {
      over.abort();
    }
  };

  return {
    health: ({ res }: Call): void => {
      res.json({ status: 'ok' });
    },

    ready: async ({ res }: Call): Promise<void> => {
      if (ctx.isDraining()) throw notReady('This server is stopping.');
      await storesAnswer();
      res.json({ status: 'ready' });
    },

    metrics: async ({ res }: Call): Promise<void> => {
      res.setHeader('Content-Type', ctx.metrics.contentType);
      res.end(await ctx.metrics.text());
    },

    openApi: ({ res }: Call): void => {
      res.type('application/json').send(ctx.openApi());
    },

    docs: ({ res }: Call): void => {
      const { html, policy } = ctx.docsPage();
      res.setHeader('Content-Security-Policy', policy);
      res.type('text/html').send(html);
    },
  };
}

export type OpsController = ReturnType<typeof createOpsController>;
