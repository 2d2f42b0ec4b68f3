import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';
import { AppError } from './errors.ts';

/** The only loggers. None is ever given a text, arguments, headers or tokens. */
export interface Loggers {
  http: Logger;
  app: Logger;
  manager: Logger;
  store: Logger;
  agent: Logger;
}

/** An error without what a caller put into it: stack and codes, causes by their type only. */
function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return {
    type: error.name,
    code,
    // An AppError's message is ours; any other may quote its input and stays in the stack for operators only.
    message: error.message,
    stack: error instanceof AppError ? undefined : error.stack,
    cause: error.cause === undefined ? undefined : describeError(error.cause),
  };
}

export interface LoggerOptions {
  level: string;
  replicaId: string;
  /** Standard output where not given. */
  destination?: DestinationStream;
}

export function createLoggers(options: LoggerOptions): Loggers {
  const settings = {
    level: options.level,
    base: { replica: options.replicaId },
    serializers: { err: describeError },
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  const root =
    options.destination === undefined ? pino(settings) : pino(settings, options.destination);
  const named = (name: string): Logger => root.child({ name });
  return {
    http: named('http'),
    app: named('app'),
    manager: named('gen:manager'),
    store: named('gen:store'),
    agent: named('gen:agent'),
  };
}
