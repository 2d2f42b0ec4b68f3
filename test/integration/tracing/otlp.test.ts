import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { request } from '../../support/api.ts';
import { FairWatch } from '../../support/fair-watch.ts';
import { KeptLog } from '../../support/fake-receiver.ts';
import {
  startOtlpReceiver,
  type OtlpReceiver,
  type ReceivedSpan,
} from '../../support/otlp-receiver.ts';
import { freePort } from '../../support/ports.ts';
import { startTracedService, type TracedService } from '../../support/traced-service.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';
const SECRET = 'the-word-that-nobody-may-see';

/** The SDK reads the process's environment itself. */
const SET = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_SERVICE_NAME',
  'OTEL_RESOURCE_ATTRIBUTES',
  'OTEL_TRACES_SAMPLER',
];

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

function one(spans: ReceivedSpan[], name: string): ReceivedSpan {
  const found = spans.filter((span) => span.name === name);
  const [span] = found;
  if (span === undefined || found.length > 1) {
    throw new Error(`${found.length} times ${name}: ${spans.map((each) => each.name).join(', ')}`);
  }
  return span;
}

describe('traces over OTLP', () => {
  let receiver: OtlpReceiver;
  let service: TracedService | undefined;
  let log: KeptLog;

  beforeEach(async () => {
    receiver = await startOtlpReceiver();
    process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = receiver.url;
    log = new KeptLog();
  });

  afterEach(async () => {
    await service?.stop();
    service = undefined;
    await receiver.close();
    for (const name of SET) delete process.env[name];
  });

  /** One turn of the demo agent, read to its end. */
  async function turn(text: string, headers: Record<string, string> = {}): Promise<string> {
    service = await startTracedService(process.env, log);
    const started = await request(service.url, {
      path: '/api/chat',
      body: { text, messageId: 'm-1', metadata: { note: SECRET } },
      headers,
    });
    const generationId = String(started.json['generationId']);
    const read = await request(service.url, { path: `/api/chat/stream/${generationId}` });
    expect(read.text).toContain('event: done');
    return generationId;
  }

  async function stop(): Promise<ReceivedSpan[]> {
    await service?.stop();
    service = undefined;
    return receiver.spans;
  }

  test('a turn: the request in its caller’s trace, the attempt with its model calls and tool', async () => {
    const generationId = await turn('tool', { traceparent: `00-${TRACE}-${CALLER}-01` });

    const spans = await stop();

    const post = one(spans, 'POST /api/chat');
    expect(post).toMatchObject({ traceId: TRACE, parentSpanId: CALLER, failed: false });
    expect(post.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/api/chat',
      'http.response.status_code': 202,
      'holdfast.generation.id': generationId,
    });
    const insert = one(spans, 'jobs.insert');
    expect(insert).toMatchObject({ traceId: TRACE, parentSpanId: post.spanId });
    const attempt = one(spans, 'generation.run');
    expect(attempt.parentSpanId).toBe('');
    expect(attempt.attributes).toMatchObject({
      'holdfast.generation.id': generationId,
      'holdfast.fence': 1,
      'holdfast.ending': 'completed',
    });
    const chats = spans.filter(({ name }) => name === 'chat demo');
    const tool = one(spans, 'execute_tool add');
    expect(chats).toHaveLength(2);
    for (const child of [...chats, tool]) {
      expect(child).toMatchObject({ traceId: attempt.traceId, parentSpanId: attempt.spanId });
    }
    expect(tool.attributes).toMatchObject({ 'holdfast.tool.status': 'ok' });
  });

  test('what the ledger writes for a tool belongs to the tool', async () => {
    await turn('slow 0');

    const spans = await stop();

    const tool = one(spans, 'execute_tool slow');
    const writes = spans.filter(({ parentSpanId }) => parentSpanId === tool.spanId);
    expect(writes.map(({ name }) => name)).toContain('jobs.compareAndSet');
  });

  test('nothing that a person or a model said is in any span, and no id of a person', async () => {
    process.env['OTEL_EXPORTER_OTLP_HEADERS'] = 'x-key=collector-key';
    await turn(`say 3 1 ${SECRET}`);
    await request(service?.url ?? '', { path: `/api/conversations/${SECRET}?limit=${SECRET}` });

    await stop();

    expect(receiver.spans.length).toBeGreaterThan(3);
    expect(receiver.raw()).toContain('"x-key":"collector-key"');
    expect(receiver.raw()).not.toContain(SECRET);
    expect(receiver.raw()).not.toContain('"local"');
  });

  test('these attributes are all there are, and their values are words', async () => {
    await turn('tool', { traceparent: `00-${TRACE}-${CALLER}-01` });

    const spans = await stop();

    const pairs = spans.flatMap(({ attributes }) => Object.entries(attributes));
    expect([...new Set(pairs.map(([key]) => key))].toSorted(byText)).toEqual([
      'db.operation.name',
      'gen_ai.agent.id',
      'gen_ai.operation.name',
      'gen_ai.request.model',
      'gen_ai.tool.call.id',
      'gen_ai.tool.name',
      'gen_ai.usage.input_tokens',
      'gen_ai.usage.output_tokens',
      'holdfast.ending',
      'holdfast.entry',
      'holdfast.fence',
      'holdfast.generation.id',
      'holdfast.store',
      'holdfast.tool.effects',
      'holdfast.tool.status',
      'http.request.method',
      'http.response.status_code',
      'http.route',
    ]);
    expect(pairs.filter(([, value]) => !/^[\w:/-]{1,64}$/.test(String(value)))).toEqual([]);
  });

  test('what scans and drivers do by themselves is in no trace, also while a request’s stream goes on', async () => {
    service = await startTracedService({ ...process.env, SCAN_INTERVAL: '50ms' }, log);
    const accept = { accept: 'text/event-stream' };
    const body = { text: 'say 40 10 word' };
    const { text } = await request(service.url, { path: '/api/chat', body, headers: accept });

    const spans = await stop();

    expect(text).toContain('event: done');
    const roots = spans.filter(({ parentSpanId }) => parentSpanId === '');
    expect(roots.map(({ name }) => name).toSorted(byText)).toEqual([
      'POST /api/chat',
      'generation.run',
    ]);
    expect(spans.filter(({ name }) => name === 'log.append').length).toBeLessThan(4);
  });

  test('a failing model fails its span and that of the attempt, by code', async () => {
    await turn('fail');

    const spans = await stop();

    const failed = spans.filter((span) => span.failed);
    expect(failed.map(({ name, attributes }) => [name, attributes['error.type']])).toEqual([
      ['chat demo', 'MODEL_ERROR'],
      ['generation.run', 'MODEL_ERROR'],
    ]);
  });

  test('the service has the name and the attributes that the environment gives it', async () => {
    process.env['OTEL_SERVICE_NAME'] = 'chat';
    process.env['OTEL_RESOURCE_ATTRIBUTES'] = 'deployment.environment.name=test';
    await turn('say 1 1');

    await stop();

    expect(receiver.resource()).toMatchObject({
      'service.name': 'chat',
      'deployment.environment.name': 'test',
      'service.instance.id': expect.stringMatching(/^replica-/),
    });
  });

  test('a sampler that takes none sends none', async () => {
    process.env['OTEL_TRACES_SAMPLER'] = 'always_off';
    await turn('say 1 1');

    expect(await stop()).toEqual([]);
  });

  test('a receiver that is down changes nothing but one line of the log', async () => {
    process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${await freePort()}`;
    await turn('say 3 1 word');
    const watch = new FairWatch();

    await stop();

    expect(watch.stop()).toBeLessThan(6_000);
    expect(log.lines.filter(({ level }) => level !== 'info')).toEqual([
      expect.objectContaining({ level: 'warn', message: 'traces cannot be exported' }),
    ]);
  });
});
