import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ErrorCode, McpError } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { isRecord } from '../agent/chunk-content.ts';
import { LOST } from './http-transport.ts';

/** What became of a request that has no answer. */
export type Fault =
  /** Nothing was sent, or the server knows nothing of us any more: over a new connection it may be sent again. */
  | { kind: 'not_sent' }
  /** Sent, and then the connection ended. */
  | { kind: 'lost' }
  | { kind: 'timeout' }
  /** The server's own word. */
  | { kind: 'refused'; message: string };

const TIMEOUT: number = ErrorCode.RequestTimeout;

const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);
/** What servers say of a session that they do not know; 404 by the protocol, 400 by the SDK's examples. */
const NO_SESSION = new Set([400, 404]);

function codeOf(error: unknown): string | undefined {
  let current: unknown = error;
  for (let depth = 0; depth < 4 && isRecord(current); depth += 1) {
    if (typeof current['code'] === 'string') return current['code'];
    // Of a host with several addresses each has failed in its own way.
    const { errors } = current;
    current = Array.isArray(errors) ? errors[0] : current['cause'];
  }
  return undefined;
}

function ofHttp({ code = 0 }: StreamableHTTPError): Fault {
  if (NO_SESSION.has(code)) return { kind: 'not_sent' };
  if (code >= 500) return { kind: 'lost' };
  return { kind: 'refused', message: code > 0 ? `HTTP ${code}` : 'an answer of no known kind' };
}

/** `open`: the connection that it was sent over is still there. */
export function faultOf(error: unknown, { open }: { open: boolean }): Fault {
  if (error instanceof StreamableHTTPError) return ofHttp(error);
  if (error instanceof McpError) {
    const code: number = error.code;
    if (code === LOST || !open) return { kind: 'lost' };
    if (code === TIMEOUT) return { kind: 'timeout' };
    return { kind: 'refused', message: error.message };
  }
  if (error instanceof z.core.$ZodError)
    return { kind: 'refused', message: 'The answer has no known form.' };
  if (error instanceof Error && error.message === 'Not connected') return { kind: 'not_sent' };
  return { kind: NOT_SENT.has(codeOf(error) ?? '') ? 'not_sent' : 'lost' };
}
