import { Counter, Gauge, type Registry } from 'prom-client';
import { CALL_STATUS, type McpMetrics } from '../mcp/metrics.ts';

/** By server: their names are the operator's. */
export function mcpMetrics(registry: Registry): McpMetrics {
  const registers = [registry];
  const calls = new Counter({
    name: 'holdfast_mcp_calls_total',
    help: 'Calls of tools of MCP servers.',
    labelNames: ['server', 'status'],
    registers,
  });
  const connects = new Counter({
    name: 'holdfast_mcp_connects_total',
    help: 'Attempts to reach MCP servers.',
    labelNames: ['server', 'status'],
    registers,
  });
  const up = new Gauge({
    name: 'holdfast_mcp_up',
    help: 'Could the MCP server be reached the last time that it was needed?',
    labelNames: ['server'],
    registers,
  });
  /** A series that only begins with its first failure hides that one from `increase()`. */
  const begin = (server: string): void => {
    for (const status of CALL_STATUS) calls.inc({ server, status }, 0);
    for (const status of ['ok', 'failed']) connects.inc({ server, status }, 0);
  };
  return {
    called: (server, status) => calls.inc({ server, status }),
    connected(server, status) {
      begin(server);
      connects.inc({ server, status });
    },
    up: (server, value) => up.set({ server }, value ? 1 : 0),
    gone(server) {
      for (const status of CALL_STATUS) calls.remove({ server, status });
      for (const status of ['ok', 'failed']) connects.remove({ server, status });
      up.remove({ server });
    },
  };
}
