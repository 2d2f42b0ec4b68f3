/** What operators count of MCP servers. Names of servers are the operator's own, so they may be labels. */

export const CALL_STATUS = [
  'ok',
  /** The tool said that it failed, or the server refused the call. */
  'error',
  'timeout',
  /** The connection ended before the answer. */
  'lost',
  /** The server could not be reached, so nothing was sent. */
  'unreachable',
  'aborted',
] as const;
export type CallStatus = (typeof CALL_STATUS)[number];

export interface McpMetrics {
  called(server: string, status: CallStatus): void;
  connected(server: string, status: 'ok' | 'failed'): void;
  /** Could it be reached the last time? */
  up(server: string, up: boolean): void;
  /** It is not in the file any more. */
  gone(server: string): void;
}

export const noMcpMetrics: McpMetrics = {
  called: () => undefined,
  connected: () => undefined,
  up: () => undefined,
  gone: () => undefined,
};
