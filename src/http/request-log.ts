import type { RequestHandler } from 'express';
import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';
import type { AppMetrics } from './metrics.ts';
import { factsOf } from './request-facts.ts';

/** Probes and scrapes come every few seconds: only their failures are news. */
const QUIET = new Set(['/healthz', '/readyz', '/metrics']);

interface Deps {
  logger: Logger;
  metrics: AppMetrics;
  clock: Clock;
}

/** One log line and one observation per request, when its answer is over. No header, query, text or raw path. */
export function requestLog({ logger, metrics, clock }: Deps): RequestHandler {
  return (req, res, next) => {
    res.once('close', () => {
      const { requestId, route, startedAt, answeredAt, errorCode } = factsOf(res);
      const { method } = req;
      const now = clock.now();
      const status = res.headersSent ? res.statusCode : 499;
      metrics.request({ method, route, status, ms: (answeredAt ?? now) - startedAt });
      const level = QUIET.has(route) || method === 'GET' ? 'debug' : 'info';
      logger[level](
        { requestId, method, route, status, ms: now - startedAt, code: errorCode },
        'request',
      );
    });
    next();
  };
}
