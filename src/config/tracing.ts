import type { Fault, RawEnv } from './env.ts';

/**
 * Whether to trace, from OpenTelemetry's own variables; its SDK reads the others itself (sampler, headers, limits,
 * resource). Unlike there, no variable at all means none: nobody asked for spans.
 */
export type TraceExporter = 'none' | 'otlp' | 'console';

const EXPORTERS: readonly string[] = ['none', 'otlp', 'console'] satisfies TraceExporter[];

function isExporter(text: string): text is TraceExporter {
  return EXPORTERS.includes(text);
}

export function traceExporter(raw: RawEnv): { exporter: TraceExporter; faults: Fault[] } {
  const read = (name: string): string => (raw[name] ?? '').trim().toLowerCase();
  if (read('OTEL_SDK_DISABLED') === 'true') return { exporter: 'none', faults: [] };
  const somewhere =
    read('OTEL_EXPORTER_OTLP_ENDPOINT') + read('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') !== '';
  const asked = read('OTEL_TRACES_EXPORTER') || (somewhere ? 'otlp' : 'none');
  if (!isExporter(asked)) {
    const text = `${JSON.stringify(asked.slice(0, 100))} is not accepted; accepted: otlp, console, none`;
    return { exporter: 'none', faults: [{ name: 'OTEL_TRACES_EXPORTER', text }] };
  }
  return { exporter: asked, faults: asked === 'otlp' ? protocolFaults(read) : [] };
}

function protocolFaults(read: (name: string) => string): Fault[] {
  return ['OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL']
    .filter((name) => !['', 'http/json', 'http/protobuf'].includes(read(name)))
    .map((name) => ({
      name,
      // Receivers take both at one address.
      text: 'only OTLP over HTTP is spoken, with JSON; accepted: http/json, http/protobuf',
    }));
}
