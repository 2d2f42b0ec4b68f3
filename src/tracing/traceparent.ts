import { createTraceState, isSpanContextValid, type SpanContext } from '@opentelemetry/api';

/** `traceparent` of W3C Trace Context, level 1; later versions may have more fields (section 3.2.4 there). */
const FORM = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The span that a request says it is part of; undefined: it says nothing that can be read. */
export function remoteSpan(
  traceparent: string,
  tracestate: string | undefined,
): SpanContext | undefined {
  const [, version, traceId = '', spanId = '', flags = '', more] = FORM.exec(traceparent) ?? [];
  if (version === '00' && more !== undefined) return undefined;
  const span: SpanContext = {
    traceId,
    spanId,
    // Of the flags only `sampled` is known.
    traceFlags: Number.parseInt(flags, 16) & 1,
    isRemote: true,
    ...(tracestate ? { traceState: createTraceState(tracestate) } : {}),
  };
  return isSpanContextValid(span) ? span : undefined;
}
