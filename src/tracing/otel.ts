import { AsyncLocalStorage } from 'node:async_hooks';
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ConsoleSpanExporter,
  NodeTracerProvider,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-node';
import type { Log } from '../lib/log.ts';
import type { OpenSpan, SpanStart, Tracer } from '../lib/tracing.ts';
import type { Tracing } from './open-tracing.ts';
import { remoteSpan } from './traceparent.ts';

/**
 * The tracer on OpenTelemetry's SDK, which reads its standard variables by itself. Nothing of it is registered
 * globally: libraries make no spans of their own here, and a process may hold several.
 */

/** An export, with its repetitions, that takes longer is given up; so a shutdown never waits for longer either. */
const EXPORT_MS = 3_000;

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  internal: SpanKind.INTERNAL,
} as const;

export interface OtelDeps {
  exporter: 'otlp' | 'console';
  replicaId: string;
  log: Log;
}

/** Says once that spans are lost, and once that they arrive again. */
function reporting(inner: SpanExporter, log: Log): SpanExporter {
  let failing = false;
  return {
    export(spans, done) {
      inner.export(spans, (result) => {
        const failed = result.error !== undefined;
        if (failed && !failing) log.warn({ err: result.error }, 'traces cannot be exported');
        if (!failed && failing) log.info({}, 'traces are exported again');
        failing = failed;
        done(result);
      });
    },
    forceFlush: async () => inner.forceFlush?.(),
    shutdown: () => inner.shutdown(),
  };
}

export function startOtel({ exporter, replicaId, log }: OtelDeps): Tracing {
  const sink =
    exporter === 'console'
      ? new ConsoleSpanExporter()
      : new OTLPTraceExporter({ timeoutMillis: EXPORT_MS });
  const ours = {
    'service.name': 'holdfast',
    'service.instance.id': replicaId,
  };
  const provider = new NodeTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes(ours))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(reporting(sink, log))],
  });
  return {
    tracer: tracerOn(provider.getTracer('holdfast')),
    async [Symbol.asyncDispose]() {
      // Sends what is left. What can't be sent is not worth an error: `reporting` has told it.
      await provider.shutdown().catch(() => undefined);
    },
  };
}

interface Around {
  context: Context;
  detached: () => boolean;
}

const NOBODY: Around = { context: ROOT_CONTEXT, detached: () => false };

function tracerOn(spans: ReturnType<NodeTracerProvider['getTracer']>): Tracer {
  const storage = new AsyncLocalStorage<Around>();

  function parentOf(parent: SpanStart['parent']): Around {
    if (parent === 'around') return storage.getStore() ?? NOBODY;
    const remote =
      parent === 'root' ? undefined : remoteSpan(parent.traceparent, parent.tracestate);
    return remote ? { ...NOBODY, context: trace.setSpanContext(ROOT_CONTEXT, remote) } : NOBODY;
  }

  function open(span: Span, around: Around): OpenSpan {
    return {
      within: (run) => storage.run(around, run),
      rename: (name) => void span.updateName(name),
      set: (attributes) => void span.setAttributes(attributes),
      end(failure) {
        if (failure !== undefined) {
          span.setAttribute('error.type', failure);
          span.setStatus({ code: SpanStatusCode.ERROR });
        }
        span.end();
      },
    };
  }

  return {
    enabled: true,
    start(name, { kind, parent, attributes, detached }) {
      const above = parentOf(parent);
      const span = spans.startSpan(name, { kind: KINDS[kind], attributes }, above.context);
      const context = trace.setSpan(above.context, span);
      return open(span, { context, detached: detached ?? above.detached });
    },
    inSpan() {
      const around = storage.getStore();
      if (around === undefined || around.detached()) return false;
      // One that is over records no more: whoever still runs in its context outlived it.
      return trace.getSpan(around.context)?.isRecording() === true;
    },
    outside: (run) => storage.exit(run),
  };
}
