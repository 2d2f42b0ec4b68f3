import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connect as connectHttp2 } from 'node:http2';
import { FakeReplica, type Mood } from '../../support/fake-replica.ts';
import { checkConfiguration, describeNginx, startNginx, type Nginx } from '../../support/nginx.ts';
import { RawStream } from '../../support/raw-stream.ts';
import { request } from '../../support/api.ts';

const STREAM = '/api/chat/stream/gen_1';

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`it never came: ${condition.toString()}`);
    await new Promise((again) => setTimeout(again, 5));
  }
}

/** Resolves once the number has not changed for half a second. */
async function settled(read: () => number): Promise<void> {
  let last = -1;
  for (let same = 0; same < 10; same = read() === last ? same + 1 : 0) {
    last = read();
    await new Promise((again) => setTimeout(again, 50));
  }
}

describeNginx('deploy/nginx.conf', () => {
  let replicas: [FakeReplica, FakeReplica];
  let nginx: Nginx;
  const open: RawStream[] = [];

  beforeEach(async () => {
    replicas = [new FakeReplica('one'), new FakeReplica('two')];
    for (const replica of replicas) await replica.start();
    nginx = await startNginx({ upstreams: replicas.map(({ address }) => address), tls: true });
  });

  afterEach(async () => {
    for (const stream of open.splice(0)) stream.leave();
    for (const replica of replicas) await replica.kill();
    await nginx.stop();
  });

  function read(more: string[] = []): RawStream {
    const stream = new RawStream(nginx.port, [
      `GET ${STREAM} HTTP/1.1`,
      `Host: localhost:${nginx.port}`,
      'Accept: text/event-stream',
      ...more,
    ]);
    open.push(stream);
    return stream;
  }

  /** The replica that answers this stream, and the other one. */
  function sidesOf(stream: RawStream): { owner: FakeReplica; other: FakeReplica } {
    const [one, two] = replicas;
    return stream.text.startsWith(': one')
      ? { owner: one, other: two }
      : { owner: two, other: one };
  }

  const start = (body: object = { text: 'hello', messageId: 'm-1' }) =>
    request(nginx.url, { path: '/api/chat', body });

  const seen = () => replicas.flatMap(({ requests }) => requests);

  test('its configuration is accepted', async () => {
    const { status, text } = await checkConfiguration({ upstreams: ['127.0.0.1:9'], tls: true });

    expect(text).toContain('test is successful');
    expect(status).toBe(0);
  });

  test('every write of a replica is at the reader before the next one is made', async () => {
    const stream = read(['Accept-Encoding: gzip, br']);
    await stream.until(({ text }) => text.endsWith('\n\n'));
    const { owner } = sidesOf(stream);

    for (let n = 1; n <= 20; n += 1) {
      owner.send(`data: ${n}\n\n`);
      await stream.until(({ text }) => text.endsWith(`data: ${n}\n\n`));
    }

    expect(stream.head?.status).toBe(200);
    expect(stream.head?.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(stream.head?.headers.get('cache-control')).toBe('no-cache, no-transform');
    expect(stream.head?.headers.has('content-encoding')).toBe(false);
  });

  test('a reader that stalls is felt by its replica, not hidden by a buffer on the way', async () => {
    const size = 48 * 1_048_576;
    const stream = read();
    await stream.until(({ text }) => text.endsWith('\n\n'));
    const { owner } = sidesOf(stream);
    const [response] = owner.streams;
    stream.pause();

    owner.send('x'.repeat(size));
    await settled(() => response?.writableLength ?? 0);
    const waiting = response?.writableLength ?? 0;
    const before = stream.text.length;
    stream.resume();
    await stream.until(({ text }) => text.length === before + size);

    // The rest is in the buffers of the four sockets.
    expect(waiting).toBeGreaterThan(size / 2);
  });

  test('streams of one HTTP/2 connection flow side by side', async () => {
    const session = connectHttp2(`https://localhost:${nginx.tlsPort}`, {
      rejectUnauthorized: false,
    });
    const texts = ['', ''];
    try {
      for (const index of texts.keys()) {
        const flow = session.request({ ':path': STREAM, accept: 'text/event-stream' });
        flow.setEncoding('utf8').on('data', (chunk: string) => {
          texts[index] += chunk;
        });
      }
      await until(() => texts.every((text) => text.endsWith('\n\n')));

      for (let n = 1; n <= 5; n += 1) {
        for (const replica of replicas) replica.send(`data: ${n}\n\n`);
        await until(() => texts.every((text) => text.endsWith(`data: ${n}\n\n`)));
      }
    } finally {
      session.destroy();
    }

    expect(seen().map(({ headers }) => headers['x-forwarded-proto'])).toEqual(['https', 'https']);
  });

  test('a reader whose replica is killed is cut, never ended, and the other one answers', async () => {
    const stream = read();
    await stream.until(({ text }) => text.endsWith('\n\n'));
    const { owner, other } = sidesOf(stream);

    await owner.kill();
    await stream.until(({ closed }) => closed);
    const again = read(['Last-Event-ID: abc.1.7']);
    await again.until(({ text }) => text.endsWith('\n\n'));

    expect(stream.complete).toBe(false);
    expect(again.text).toBe(`: ${other.name}\n\n`);
    expect(other.requests.at(-1)?.headers['last-event-id']).toBe('abc.1.7');
  });

  test('a replica that is not there is passed over, and used again once it is back', async () => {
    const [one] = replicas;
    await one.kill();

    const answers = await Promise.all(Array.from({ length: 20 }, () => start()));
    await one.start();
    const deadline = Date.now() + 10_000;
    while (one.requests.length === 0 && Date.now() < deadline) await start();

    expect(new Set(answers.map(({ status, json }) => `${status} ${String(json['by'])}`))).toEqual(
      new Set(['202 two']),
    );
    expect(one.requests.length).toBeGreaterThan(0);
  });

  test('a start that a draining replica refused is accepted by the other, with the same body', async () => {
    const [one, two] = replicas;
    one.mood = () => 'drain';
    const bodies = Array.from({ length: 8 }, (_, n) => ({ text: `t${n}`, messageId: `m-${n}` }));

    const answers = await Promise.all(bodies.map((body) => start(body)));

    expect(answers.map(({ status }) => status)).toEqual(bodies.map(() => 202));
    expect(one.requests.length).toBeGreaterThan(0);
    expect(two.requests.map(({ body }) => body).toSorted()).toEqual(
      bodies.map((body) => JSON.stringify(body)),
    );
  });

  test('a start whose replica dies before it answers is sent to the other', async () => {
    let deaths = 0;
    const firstDies = (): Mood => ((deaths += 1) === 1 ? 'die' : 'serve');
    for (const replica of replicas) replica.mood = firstDies;

    const { status } = await start();

    expect(status).toBe(202);
    expect(replicas.map(({ requests }) => requests.length)).toEqual([1, 1]);
    expect(new Set(seen().map(({ body }) => body)).size).toBe(1);
  });

  test('where all replicas drain, the refusal is theirs; a stream is cut without an answer', async () => {
    for (const replica of replicas) replica.mood = () => 'drain';

    const refused = await start();
    const stream = read();
    await stream.until(({ closed }) => closed);

    expect(refused.status).toBe(503);
    expect(refused.headers['retry-after']).toBe('1');
    expect(stream.head).toBeUndefined();
  });

  test('where nobody is there, an answer says so in JSON; a stream is cut without one', async () => {
    for (const replica of replicas) await replica.kill();

    const refused = await start();
    const stream = read();
    await stream.until(({ closed }) => closed);

    expect(refused.status).toBe(503);
    expect(refused.json['error']).toMatchObject({ code: 'UNAVAILABLE' });
    expect(refused.headers['retry-after']).toBe('2');
    expect(stream.head).toBeUndefined();
  });

  test('a reader that leaves is gone at the replica too', async () => {
    const stream = read();
    await stream.until(({ text }) => text.endsWith('\n\n'));
    const { owner } = sidesOf(stream);

    stream.leave();
    await until(() => owner.closedStreams === 1);

    expect(owner.closedStreams).toBe(1);
  });

  test('replicas learn who asked, and by which name', async () => {
    await request(nginx.url, {
      path: '/api/chat',
      body: {},
      headers: { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' },
    });

    const [headers] = seen().map((one) => one.headers);
    expect(headers?.['x-forwarded-for']).toBe('203.0.113.9, 127.0.0.1');
    expect(headers?.['x-forwarded-proto']).toBe('http');
    expect(headers?.host).toBe(`127.0.0.1:${nginx.port}`);
    expect(headers?.connection).toBeUndefined();
  });

  test('a body of MAX_BODY_BYTES goes through, one byte more is refused in JSON', async () => {
    const frame = JSON.stringify({ text: '' }).length;
    const largest = await start({ text: 'x'.repeat(262_144 - frame) });
    const tooLarge = await start({ text: 'x'.repeat(262_145 - frame) });

    expect(largest.status).toBe(202);
    expect(tooLarge.status).toBe(413);
    expect(tooLarge.json['error']).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    expect(seen()).toHaveLength(1);
  });

  test('metrics are not for the outside, and other host names are not ours', async () => {
    const metrics = await request(nginx.url, { path: '/metrics' });
    const foreign = await request(nginx.url, {
      path: '/api/chat/active',
      headers: { host: 'rebound.example' },
    });

    expect(metrics.status).toBe(404);
    expect(metrics.json['error']).toMatchObject({ code: 'NOT_FOUND' });
    expect(foreign.status).toBe(421);
    expect(seen()).toEqual([]);
  });

  test('three hundred reconnects at once are all served', async () => {
    const streams = Array.from({ length: 300 }, () => read());
    await Promise.all(streams.map((stream) => stream.until(({ text }) => text.endsWith('\n\n'))));

    expect(streams.filter(({ head }) => head?.status === 200)).toHaveLength(300);
    expect(replicas.map(({ streams: at }) => at.length > 100)).toEqual([true, true]);
  });
});
