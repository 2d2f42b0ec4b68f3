import type { Clock } from './clock.ts';

/** Port: spans of a trace. What is in a span may be read by strangers: never a text, an argument or a user's id. */

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface OpenSpan {
  /** Runs it with this span as the one that new spans are children of, also in what it awaits. */
  within<T>(run: () => T): T;
  rename(name: string): void;
  set(attributes: Attributes): void;
  /** Once. `failure`: a word for how it failed, as `failureOf` makes it. */
  end(failure?: string): void;
}

/** An error's code or type. Its message may quote what was said. */
export function failureOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

export interface SpanStart {
  /** `server` answers a request, `client` asks another service, `internal` neither. */
  kind: 'server' | 'client' | 'internal';
  /** Child of the span around it; `root`: of none; else of the one that a W3C `traceparent` names, if it does. */
  parent: 'around' | 'root' | { traceparent: string; tracestate: string | undefined };
  attributes: Attributes;
  /** True from when what still runs in the span is no part of it any more, although it is not over: a live stream. */
  detached?: () => boolean;
}

export interface Tracer {
  /** False: nothing is ever recorded, and decorators may be left out. */
  readonly enabled: boolean;
  start(name: string, how: SpanStart): OpenSpan;
  /** Whether this runs as a part of a span that is not over yet. */
  inSpan(): boolean;
  /** Runs it outside of all spans: what it starts belongs to nobody's trace. */
  outside<T>(run: () => T): T;
}

const NO_SPAN: OpenSpan = { within: (run) => run(), rename() {}, set() {}, end() {} };

/** Records nothing. */
export const NO_TRACER: Tracer = {
  enabled: false,
  start: () => NO_SPAN,
  inSpan: () => false,
  outside: (run) => run(),
};

/** Runs it in a span of its own, child of the span around it. What it throws ends the span and goes on. */
export async function inSpan<T>(
  tracer: Tracer,
  {
    name,
    kind = 'internal',
    attributes,
  }: { name: string; attributes: Attributes } & Partial<Pick<SpanStart, 'kind'>>,
  run: (span: OpenSpan) => Promise<T>,
): Promise<T> {
  if (!tracer.enabled) return run(NO_SPAN);
  const span = tracer.start(name, { kind, parent: 'around', attributes });
  try {
    const result = await span.within(() => run(span));
    span.end();
    return result;
  } catch (error) {
    span.end(failureOf(error));
    throw error;
  }
}

/**
 * The port with a span around each of its calls that is made inside of a span: what scans and tickers do by themselves
 * belongs to no trace. `name` is a word for the store; neither arguments nor results are looked at.
 */
export function traced<T extends object>(port: T, tracer: Tracer, name: string): T {
  if (!tracer.enabled) return port;
  return new Proxy(port, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== 'function' || typeof key === 'symbol') return member;
      return (...args: unknown[]): unknown => {
        const call = (): unknown => Reflect.apply(member, target, args);
        if (!tracer.inSpan()) return call();
        const span = tracer.start(`${name}.${key}`, {
          kind: 'client',
          parent: 'around',
          attributes: { 'holdfast.store': name, 'db.operation.name': key },
        });
        return watched(span, call);
      };
    },
  });
}

/** Ends the span when the call is over, be its result a promise or not. */
function watched(span: OpenSpan, call: () => unknown): unknown {
  try {
    const result = span.within(call);
    if (!(result instanceof Promise)) {
      span.end();
      return result;
    }
    return result.then(
      (value: unknown) => {
        span.end();
        return value;
      },
      (error: unknown) => {
        span.end(failureOf(error));
        throw error;
      },
    );
  } catch (error) {
    span.end(failureOf(error));
    throw error;
  }
}

/** A clock whose timers fire outside of the span in which they were set: tickers are shared and outlive it. */
export function clockOutside(clock: Clock, tracer: Tracer): Clock {
  if (!tracer.enabled) return clock;
  return {
    now: () => clock.now(),
    after: (ms, fn) => clock.after(ms, () => tracer.outside(fn)),
  };
}
