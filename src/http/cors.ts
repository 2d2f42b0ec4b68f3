import type { Request, RequestHandler, Response } from 'express';

/** Cross-origin access: only for the origins that the configuration names, always with credentials. */

const EXPOSED = 'Location, X-Request-Id, X-Generation-Id, X-Replica-Id, Retry-After';
const REQUEST_HEADERS = 'Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-Id';
const PREFLIGHT_SECONDS = '600';

/** Whether a page of this origin may act for the user: the origin that serves us, or one that is listed. */
export function isAllowedOrigin(req: Request, allowed: readonly string[]): boolean {
  const origin = req.get('origin');
  if (origin === undefined) return false;
  return allowed.includes(origin) || origin === `${req.protocol}://${req.get('host') ?? ''}`;
}

export function cors(allowed: readonly string[]): RequestHandler {
  return (req, res, next) => {
    res.vary('Origin');
    const origin = req.get('origin');
    if (origin !== undefined && allowed.includes(origin)) {
      res.setHeader('Access-Control-Allow-Origin', origin);
      res.setHeader('Access-Control-Allow-Credentials', 'true');
      res.setHeader('Access-Control-Expose-Headers', EXPOSED);
    }
    next();
  };
}

/** Answers OPTIONS: `Allow` for all, the preflight's answer for allowed origins. */
export function answerOptions(req: Request, res: Response, methods: string): void {
  res.setHeader('Allow', methods);
  const preflight = req.get('access-control-request-method') !== undefined;
  if (preflight && res.hasHeader('Access-Control-Allow-Origin')) {
    res.setHeader('Access-Control-Allow-Methods', methods);
    res.setHeader('Access-Control-Allow-Headers', REQUEST_HEADERS);
    res.setHeader('Access-Control-Max-Age', PREFLIGHT_SECONDS);
  }
  res.status(204).end();
}
