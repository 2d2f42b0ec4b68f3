import type { RequestHandler } from 'express';
import type { Tracer } from '../lib/tracing.ts';
import { factsOf } from './request-facts.ts';

/** Probes and scrapes come every few seconds and tell nothing. */
const QUIET = new Set(['/healthz', '/readyz', '/metrics']);

/** One span per request, in the caller's trace if it names one: method, route, status. No id of a user, path or text. */
export function traceRequests(tracer: Tracer): RequestHandler {
  return (req, res, next) => {
    if (QUIET.has(req.path)) {
      next();
      return;
    }
    const { method } = req;
    const traceparent = req.get('traceparent') ?? '';
    const span = tracer.start(method, {
      kind: 'server',
      parent: { traceparent, tracestate: req.get('tracestate') },
      attributes: { 'http.request.method': method },
      // Of a stream only the way to its first byte: what follows belongs to the generation.
      detached: () => res.headersSent,
    });
    res.once('close', () => {
      const { route, errorCode } = factsOf(res);
      // 499: the caller left before there was an answer.
      const status = res.headersSent ? res.statusCode : 499;
      const generationId = res.getHeader('X-Generation-Id');
      span.set({
        'http.route': route,
        'http.response.status_code': status,
        ...(typeof generationId === 'string' ? { 'holdfast.generation.id': generationId } : {}),
      });
      span.rename(`${method} ${route}`);
      span.end(status >= 500 ? (errorCode ?? String(status)) : undefined);
    });
    span.within(next);
  };
}
