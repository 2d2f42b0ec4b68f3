import { ReplyError } from 'ioredis';
import { AppError, unavailable } from '../../errors.ts';
import { OperatorError } from '../../lib/operator-error.ts';

/** Redis can't be used as it is configured; the message is one sentence for the operator, without credentials. */
export class RedisConfigError extends OperatorError {
  override name = 'RedisConfigError';
}

/** First words of replies that tell of a server's state, and not of what was asked of it. */
const SERVER_STATES = new Set([
  'READONLY',
  'LOADING',
  'OOM',
  'BUSY',
  'MISCONF',
  'NOREPLICAS',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'UNBLOCKED',
  'MOVED',
  'ASK',
  'NOAUTH',
  'WRONGPASS',
  'NOPERM',
]);

/** Such replies without a first word of their own; the second: the slot of a script is moving to another node. */
const SERVER_TEXTS = /^ERR max number of clients|access a non local key/;

/** Names of the client's errors for a command whose answer never came. */
const CLIENT_STATES = new Set(['MaxRetriesPerRequestError', 'AbortError', 'ClusterAllFailedError']);

/** What the client says with a plain Error. */
const CLIENT_TEXTS =
  /Connection is closed|timed out|Socket timeout|n't writeable|isn't ready|Cluster redirections|slots cache|startup nodes|Connection is (aborted|discarded)/;

function isReply(error: Error): boolean {
  return typeof ReplyError === 'function' && error instanceof ReplyError;
}

export function isReplyOf(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.startsWith(`${code} `);
}

/** Is it the server's or the network's state that failed, and not what was asked of it? */
export function isOutOfReach(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (isReply(error)) {
    return (
      SERVER_STATES.has(error.message.split(' ', 1)[0] ?? '') || SERVER_TEXTS.test(error.message)
    );
  }
  if (CLIENT_STATES.has(error.name) || CLIENT_TEXTS.test(error.message)) return true;
  // Errors of sockets and name servers have a `syscall`.
  return 'syscall' in error;
}

/** What an adapter throws for what the client threw. Programming errors stay what they are. */
export function asStoreError(error: unknown): unknown {
  if (error instanceof AppError || !isOutOfReach(error)) return error;
  return unavailable(error);
}
