import { describe, expect, jest, test } from '@jest/globals';
import { ConfigError, loadConfig } from '../../../src/config/config.ts';
import { clockOutside, failureOf, inSpan, NO_TRACER, traced } from '../../../src/lib/tracing.ts';
import { openTracing } from '../../../src/tracing/open-tracing.ts';
import { remoteSpan } from '../../../src/tracing/traceparent.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { KeptLog } from '../../support/fake-receiver.ts';

const ID = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe('traceparent', () => {
  test.each([
    ['sampled', `00-${ID}-${SPAN}-01`, 1],
    ['not sampled', `00-${ID}-${SPAN}-00`, 0],
    ['flags of a later version', `00-${ID}-${SPAN}-ff`, 1],
    ['more fields of a later version', `cc-${ID}-${SPAN}-01-what-comes`, 1],
  ])('%s', (_name, header, traceFlags) => {
    expect(remoteSpan(header, undefined)).toEqual({
      traceId: ID,
      spanId: SPAN,
      traceFlags,
      isRemote: true,
    });
  });

  test.each([
    ['', 'nothing'],
    [`ff-${ID}-${SPAN}-01`, 'the version that is none'],
    [`00-${ID}-${SPAN}-01-more`, 'more than version 00 has'],
    [`00-${'0'.repeat(32)}-${SPAN}-01`, 'no trace'],
    [`00-${ID}-${'0'.repeat(16)}-01`, 'no span'],
    [`00-${ID.toUpperCase()}-${SPAN}-01`, 'capitals'],
    [`00-${ID}-${SPAN}`, 'no flags'],
  ])('%j is nobody: %s', (header) => {
    expect(remoteSpan(header, undefined)).toBeUndefined();
  });

  test('the state of vendors goes with it', () => {
    const span = remoteSpan(`00-${ID}-${SPAN}-01`, 'vendor=value');

    expect(span?.traceState?.get('vendor')).toBe('value');
  });
});

describe('which variables turn traces on', () => {
  test.each([
    [{}, 'none'],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, 'otlp'],
    [{ OTEL_TRACES_EXPORTER: 'console' }, 'console'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }, 'otlp'],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector:4318/v1/traces' }, 'otlp'],
    [{ OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, 'none'],
    [{ OTEL_SDK_DISABLED: 'true', OTEL_TRACES_EXPORTER: 'otlp' }, 'none'],
    [{ OTEL_TRACES_EXPORTER: '', OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, 'none'],
    [{ OTEL_SERVICE_NAME: 'chat', OTEL_TRACES_SAMPLER: 'always_on' }, 'none'],
  ])('%j: %s', (env, exporter) => {
    expect(loadConfig(env).tracing).toBe(exporter);
  });

  test.each([
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, 'OTEL_TRACES_EXPORTER'],
    [
      { OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      'OTEL_EXPORTER_OTLP_PROTOCOL',
    ],
  ])('%j is a fault', (env, name) => {
    expect(() => loadConfig(env)).toThrow(ConfigError);
    expect(() => loadConfig(env)).toThrow(name);
  });
});

describe('without tracing', () => {
  test('decorators are left out, and what runs in a span just runs', async () => {
    const port = { get: () => Promise.resolve(1) };

    expect(traced(port, NO_TRACER, 'jobs')).toBe(port);
    expect(clockOutside(systemClock, NO_TRACER)).toBe(systemClock);
    expect(await inSpan(NO_TRACER, { name: 'x', attributes: {} }, () => port.get())).toBe(1);
  });

  test('nothing of the SDK is loaded', async () => {
    let loaded = 0;
    jest.unstable_mockModule('@opentelemetry/sdk-trace-node', () => {
      loaded += 1;
      throw new Error('loaded');
    });
    const deps = { replicaId: 'r', log: new KeptLog() };

    const { tracer } = await openTracing({ exporter: 'none', ...deps });

    expect(tracer).toBe(NO_TRACER);
    expect(loaded).toBe(0);
    await expect(openTracing({ exporter: 'otlp', ...deps })).rejects.toThrow('loaded');
  });
});

test('a failure is told by its code or its type, never by its message', () => {
  expect(failureOf(Object.assign(new Error('secret'), { code: 'ECONNRESET' }))).toBe('ECONNRESET');
  expect(failureOf(new TypeError('secret'))).toBe('TypeError');
  expect(failureOf('secret')).toBe('string');
});
