import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { outcomeSchema, resetReasonSchema } from '../stream/events.ts';
import type { StreamMetrics } from '../stream/metrics.ts';
import type { McpMetrics } from '../mcp/metrics.ts';
import { mcpMetrics } from './mcp-metrics.ts';
import type { UsageMetrics } from '../usage/usage-meter.ts';
import { ACTION_OUTCOMES } from '../stream/pending-action.ts';

export interface HttpObservation {
  method: string;
  /** The pattern, never the raw path. */
  route: string;
  status: number;
  ms: number;
}

export interface AppMetrics {
  stream: StreamMetrics;
  usage: UsageMetrics;
  mcp: McpMetrics;
  request(observation: HttpObservation): void;
  /** In the Prometheus text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

const WAITS = [0.005, 0.05, 0.25, 1, 5, 15, 60, 300, 1_800];
const LATENCIES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

function streamMetrics(registry: Registry): StreamMetrics {
  const registers = [registry];
  const counter = <T extends string>(name: string, help: string, labelNames: T[] = []) =>
    new Counter({ name: `holdfast_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `holdfast_${name}`, help, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `holdfast_${name}`, help, buckets, registers });

  const started = counter('generations_started_total', 'Generations accepted.');
  const finished = counter('generations_finished_total', 'Generations by outcome.', ['outcome']);
  const inFlight = gauge('generations_in_flight', 'Generations that this process drives now.');
  const wait = histogram('queue_wait_seconds', 'Time from queued to claimed.', WAITS);
  const open = gauge('streams_open', 'Streams that are open now.');
  const reconnects = counter('stream_reconnects_total', 'Streams opened with a cursor.');
  const bytes = counter('stream_bytes_total', 'Bytes of frames written to readers.');
  const resets = counter('stream_resets_total', 'Readers told to start anew.', ['reason']);
  const takeovers = counter('takeovers_total', 'Generations taken from a silent driver.');
  const resolved = counter('actions_resolved_total', 'Pending actions by outcome.', ['outcome']);
  const expired = counter('retention_deleted_total', 'Things past their retention.', ['what']);
  const append = histogram('append_seconds', 'Time of one durable append.', LATENCIES);
  const events = counter('events_appended_total', 'Events made durable.');

  // A series that only begins with its first event hides that event from `increase()`.
  for (const outcome of outcomeSchema.options) finished.inc({ outcome }, 0);
  for (const reason of resetReasonSchema.options) resets.inc({ reason }, 0);
  for (const outcome of ACTION_OUTCOMES) resolved.inc({ outcome }, 0);

  return {
    generationStarted: () => started.inc(),
    generationFinished: (outcome) => finished.inc({ outcome }),
    queueWaited: (ms) => wait.observe(ms / 1_000),
    inFlight: (count) => inFlight.set(count),
    readerOpened: (how) => {
      open.inc();
      if (how === 'resumed') reconnects.inc();
    },
    readerClosed: () => open.dec(),
    bytesSent: (count) => bytes.inc(count),
    reset: (reason) => resets.inc({ reason }),
    takeover: () => takeovers.inc(),
    approvalResolved: (outcome) => resolved.inc({ outcome }),
    expired: (what, count) => expired.inc({ what }, count),
    appended: (ms, count) => {
      append.observe(ms / 1_000);
      events.inc(count);
    },
  };
}

/** By model: their names are the operator's. */
function usageMetrics(registry: Registry): UsageMetrics {
  const registers = [registry];
  const tokens = new Counter({
    name: 'holdfast_tokens_total',
    help: 'Tokens that calls of models used.',
    labelNames: ['model', 'direction'],
    registers,
  });
  const costs = new Counter({
    name: 'holdfast_cost_total',
    help: 'What calls of models cost, in the currency of the file.',
    labelNames: ['model'],
    registers,
  });
  return {
    used: ({ model, input, output, cost }) => {
      tokens.inc({ model, direction: 'input' }, input);
      tokens.inc({ model, direction: 'output' }, output);
      costs.inc({ model }, cost);
    },
  };
}

/** One registry per application. `ofProcess`: also memory, CPU and event loop of the process. */
export function createMetrics(options: { ofProcess: boolean }): AppMetrics {
  const registry = new Registry();
  if (options.ofProcess) collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: 'holdfast_http_request_seconds',
    help: 'Time to the answer; for streams to their first byte.',
    labelNames: ['method', 'route', 'status'],
    buckets: LATENCIES,
    registers: [registry],
  });
  return {
    stream: streamMetrics(registry),
    usage: usageMetrics(registry),
    mcp: mcpMetrics(registry),
    request: ({ method, route, status, ms }) =>
      requests.observe({ method, route, status }, ms / 1_000),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
