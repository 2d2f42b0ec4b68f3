import type { Log } from '../lib/log.ts';
import { NO_TRACER, type Tracer } from '../lib/tracing.ts';

export interface Tracing extends AsyncDisposable {
  readonly tracer: Tracer;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TracingDeps {
  /** Where spans go; `none`: nothing is recorded, and nothing of OpenTelemetry is loaded. */
  exporter: 'none' | 'otlp' | 'console';
  replicaId: string;
  log: Log;
}

/** Disposing of it sends what is left, for at most 3 s. */
export async function openTracing({ exporter, ...deps }: TracingDeps): Promise<Tracing> {
  if (exporter === 'none') return { tracer: NO_TRACER, [Symbol.asyncDispose]: async () => {} };
  const { startOtel } = await import('./otel.ts');
  return startOtel({ exporter, ...deps });
}
