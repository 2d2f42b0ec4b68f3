import type { ErrorRequestHandler, NextFunction, Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { AppError } from '../errors.ts';
import type { JsonObject } from '../lib/json.ts';
import { factsOf } from './request-facts.ts';

/** The JSON form of every failure. */
export function errorBody(error: AppError): JsonObject {
  const { code, message, details } = error;
  return { error: details === undefined ? { code, message } : { code, message, details } };
}

/** Failures of Express itself (an undecodable path, say) carry a 4xx status. */
function clientStatus(error: unknown): number | undefined {
  const status =
    typeof error === 'object' && error !== null && 'status' in error ? error.status : undefined;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}

export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (clientStatus(error) !== undefined || error instanceof URIError) {
    return new AppError('INVALID_REQUEST', 'The request could not be read.');
  }
  return new AppError('INTERNAL', 'Something went wrong on our side.', { cause: error });
}

/** The only place where an error becomes an answer. */
export function errorHandler(deps: { logger: Logger }): ErrorRequestHandler {
  // oxlint-disable-next-line max-params -- Express knows an error handler by its four parameters
  return (error: unknown, _req: Request, res: Response, _next: NextFunction) => {
    const facts = factsOf(res);
    const refusal = toAppError(error);
    facts.errorCode = refusal.code;
    if (refusal.status >= 500) {
      const { requestId, route } = facts;
      // 500 is a fault that someone must look at; the others are states that we announce.
      const level = refusal.status === 500 ? 'error' : 'warn';
      deps.logger[level]({ err: error, requestId, route }, 'request failed');
    }
    if (res.headersSent) {
      // Too late for a status: a cut connection is the only honest answer.
      res.socket?.destroy();
      return;
    }
    for (const [name, value] of Object.entries(refusal.headers)) res.setHeader(name, value);
    res.status(refusal.status).json((facts.refusalBody ?? errorBody)(refusal));
  };
}

export const unknownRoute: RequestHandler = () => {
  throw new AppError('NOT_FOUND', 'No such route.');
};
