import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { AppError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Ids } from '../lib/ids.ts';
import type { JsonObject } from '../lib/json.ts';

/** What is known of one request besides its own content. */
export class RequestFacts {
  readonly requestId: string;
  readonly startedAt: number;
  /** The pattern of the route, never the raw path: it is a label of metrics and logs. */
  route = 'unmatched';
  /** When the answer began, where it goes on for long: a stream's duration is no latency. */
  answeredAt: number | undefined;
  errorCode: string | undefined;
  /** The form of a refusal where it is not ours. */
  refusalBody: ((error: AppError) => JsonObject) | undefined;

  constructor(requestId: string, startedAt: number) {
    this.requestId = requestId;
    this.startedAt = startedAt;
  }
}

export function factsOf(res: Response): RequestFacts {
  const facts: unknown = res.locals['facts'];
  if (facts instanceof RequestFacts) return facts;
  throw new Error('the request-facts middleware did not run');
}

const WELL_FORMED = /^[A-Za-z0-9_.:-]{1,128}$/;

/** Echoes a well-formed X-Request-Id, mints one otherwise. */
export function requestFacts(deps: { clock: Clock; ids: Ids }): RequestHandler {
  return (req: Request, res: Response, next: NextFunction) => {
    const given = req.get('x-request-id');
    const requestId =
      given !== undefined && WELL_FORMED.test(given) ? given : deps.ids.sortable('req');
    res.locals['facts'] = new RequestFacts(requestId, deps.clock.now());
    res.setHeader('X-Request-Id', requestId);
    next();
  };
}
