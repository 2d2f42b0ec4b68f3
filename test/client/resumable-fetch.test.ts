import { describe, expect, test } from '@jest/globals';
import { buildSync } from 'esbuild';
import fc from 'fast-check';
import { gzipSync } from 'node:zlib';
import { ResumeError, resumableFetch } from '../../client/resumable-fetch.ts';
import { until } from '../integration/http/harness.ts';
import { END, frame, frames, HELLO, read, useScripted } from '../support/resumed.ts';
import {
  answer,
  cutAfter,
  endAfter,
  hangUp,
  silentAfter,
  startScriptedServer,
  type Step,
} from '../support/scripted-server.ts';

const scripted = useScripted();

/** The two must come apart: a comment at the beginning is no heartbeat. */
const beats: Step = (res, req) => {
  silentAfter(HELLO)(res, req);
  setTimeout(() => res.write(': ping\n\n', () => setTimeout(() => res.destroy(), 10)), 20);
};

/** What is left of five frames for who asks. */
function leftOf(req: Parameters<Step>[1]): Buffer {
  const n = Number(String(req.headers['last-event-id'] ?? '').split('.')[2] ?? 0);
  return Buffer.from(HELLO + (n < 5 ? frames(n + 1, 5) : ''));
}

const POST: RequestInit = {
  method: 'POST',
  body: '{}',
  headers: { authorization: 'Bearer t', 'content-type': 'application/json' },
};

describe('resumableFetch', () => {
  test('a POST that is cut goes on with a GET of its Location, with its headers, behind the last whole frame', async () => {
    const { url, asked } = await scripted(
      cutAfter(HELLO + frames(1, 2) + frame(3).slice(0, -1), '/streams/1?a=b'),
      endAfter(HELLO + frames(3, 4) + END),
    );

    const { text, reconnects } = await read(`${url}/chat`, POST);

    expect(text).toBe(frames(1, 4));
    expect(asked.map(({ method, url: path, body }) => [method, path, body])).toEqual([
      ['POST', '/chat', '{}'],
      ['GET', '/streams/1?a=b', ''],
    ]);
    expect(asked[1]?.headers).toMatchObject({
      authorization: 'Bearer t',
      accept: 'text/event-stream',
      'last-event-id': 't.1.2',
    });
    expect(asked[1]?.headers['content-type']).toBeUndefined();
    expect(reconnects).toMatchObject([{ attempt: 1, lastEventId: 't.1.2' }]);
  });

  test('a GET is cut anywhere, within frames and characters, and each frame comes once and whole', async () => {
    const all = Buffer.from(HELLO + frames(1, 5));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(all.length), { maxLength: 4 }),
        fc.boolean(),
        async (cuts, clean) => {
          const cut = clean ? endAfter : cutAfter;
          const steps = cuts.map(
            (at): Step =>
              (res, req) =>
                cut(leftOf(req).subarray(0, at))(res, req),
          );
          const cutting = await startScriptedServer([
            ...steps,
            (res, req) => endAfter(Buffer.concat([leftOf(req), Buffer.from(END)]))(res, req),
          ]);

          const { text } = await read(cutting.url);
          await cutting.close();

          expect(text).toBe(frames(1, 5));
        },
      ),
      { numRuns: 15 },
    );
  });

  test.each([
    ['the comment : eos', frame(1) + END],
    ['a native done', frame(1) + 'id: t.1.2\nevent: done\ndata: {}\n\n'],
  ])('%s ends it: no reconnect, whether the connection ends or breaks', async (_name, bytes) => {
    const { url, asked } = await scripted(endAfter(bytes), cutAfter(bytes));

    const texts = [await read(url), await read(url)].map(({ text }) => text);

    expect(texts).toEqual([bytes.replace(END, ''), bytes.replace(END, '')]);
    expect(asked).toHaveLength(2);
  });

  test('204 on the reconnect is the end', async () => {
    const { url, asked } = await scripted(endAfter(frame(1)), answer(204));

    expect((await read(url)).text).toBe(frame(1));
    expect(asked).toHaveLength(2);
  });

  test('503, 429, 502 and connections that fail before their headers are tried again', async () => {
    const { url, asked } = await scripted(
      cutAfter(frame(1)),
      answer(503),
      hangUp,
      answer(429),
      answer(502),
      endAfter(frame(2) + END),
    );

    const { text, reconnects } = await read(url);

    expect(text).toBe(frames(1, 2));
    expect(asked).toHaveLength(6);
    expect(reconnects.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5]);
  });

  test.each([
    ['seconds', '1'],
    ['a date', ''],
  ])('Retry-After in %s is waited for', async (_name, seconds) => {
    // A date is made when it is sent: on a slow machine it would be over.
    const later = (): string => seconds || new Date(Date.now() + 2_000).toUTCString();
    const { url } = await scripted(
      cutAfter(frame(1)),
      (res, req) => answer(503, { 'retry-after': later() })(res, req),
      endAfter(frame(2) + END),
    );

    const { reconnects } = await read(url);

    expect(reconnects[1]?.waitMs).toBeGreaterThan(seconds === '1' ? 999 : 100);
    expect(reconnects[1]?.waitMs).toBeLessThan(2_001);
  });

  test.each([
    ['soon', 0, 10],
    ['-5', 0, 10],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0, 10],
    ['99999999999', 300_000, 300_000],
  ])('Retry-After: %s waits from %d to %d ms', async (value, least, most) => {
    const { url } = await scripted(cutAfter(frame(1)), answer(503, { 'retry-after': value }));
    const stop = new AbortController();
    let waited = -1;

    const { error } = await read(
      url,
      { signal: stop.signal },
      {
        onReconnect: ({ attempt, waitMs }) => {
          if (attempt < 2) return;
          waited = waitMs;
          stop.abort();
        },
        maxRetryMs: 5,
      },
    );

    expect(waited).toBeGreaterThanOrEqual(least);
    expect(waited).toBeLessThanOrEqual(most);
    expect(error).toMatchObject({ name: 'AbortError' });
  });

  test('waits begin with what retry: says, double, and have a bound, as have the attempts', async () => {
    const { url, asked } = await scripted(cutAfter(`retry: 20\n\n${frame(1)}`), hangUp);

    const { reconnects, error, text } = await read(url, {}, { attempts: 4, maxRetryMs: 100 });

    expect(text).toContain(frame(1));
    expect(error).toMatchObject({ name: 'TypeError' });
    expect(asked).toHaveLength(5);
    for (const [index, base] of [20, 40, 80, 100].entries()) {
      expect(reconnects[index]?.waitMs).toBeGreaterThanOrEqual(base);
      expect(reconnects[index]?.waitMs).toBeLessThanOrEqual(base * 1.5);
    }
  });

  test('a server that only ever says hello is given up, one that sends heartbeats is not', async () => {
    const idle = cutAfter(HELLO);
    const { url, asked } = await scripted(...Array.from({ length: 9 }, () => beats), idle);

    const { error } = await read(url, {}, { attempts: 3 });

    expect(error).toMatchObject({ name: 'TypeError' });
    expect(asked.length).toBeGreaterThan(9);
  });

  test.each([401, 404, 400])(
    '%d on the reconnect fails the body, with the answer',
    async (status) => {
      const { url, asked } = await scripted(cutAfter(frame(1)), answer(status, {}, 'no'));

      const { text, error } = await read(url);

      expect(text).toBe(frame(1));
      expect(error).toBeInstanceOf(ResumeError);
      expect(error).toMatchObject({ name: 'ResumeError', response: { status } });
      const { response } = error as ResumeError; // oxlint-disable-line typescript/no-unsafe-type-assertion -- asserted above
      expect(await response?.text()).toBe('no');
      expect(asked).toHaveLength(2);
    },
  );

  test('a 200 that is no stream, as of a captive portal, fails the body', async () => {
    const { url } = await scripted(
      cutAfter(frame(1)),
      answer(200, { 'content-type': 'text/html' }, '<p>sign in'),
    );

    expect((await read(url)).error).toBeInstanceOf(ResumeError);
  });

  test('a connection that falls silent is replaced, one that never answers too', async () => {
    const { url, asked } = await scripted(
      silentAfter(frame(1)),
      () => {},
      endAfter(frame(2) + END),
    );

    const { text } = await read(url, {}, { silenceMs: 200, attempts: 20 });

    expect(text).toBe(frames(1, 2));
    // On a slow machine the answer to the third one can be late too.
    expect(asked.length).toBeGreaterThan(2);
  });

  test('a POST that fails before its headers is not sent again', async () => {
    const { url, asked } = await scripted(hangUp);

    await expect(resumableFetch()(url, POST)).rejects.toMatchObject({ name: 'TypeError' });

    expect(asked).toHaveLength(1);
  });

  test.each([
    ['no stream', answer(200, { 'content-type': 'application/json', location: '/x' }, '{}')],
    ['an error', answer(503, { location: '/x' }, 'busy')],
    ['a stream of a POST without Location', endAfter(frame(1))],
    ['a Location at another origin', endAfter(frame(1), 'http://127.0.0.1:9/x')],
  ])('%s is passed on as it is', async (_name, step) => {
    const { url, asked } = await scripted(step);
    const plain = await fetch(url, POST);

    const response = await resumableFetch()(url, POST);

    expect(response.status).toBe(plain.status);
    expect(await response.text()).toBe(await plain.text());
    expect(asked).toHaveLength(2);
  });

  test('data without ids is passed on, and a break after it is the app’s', async () => {
    const { url, asked } = await scripted(cutAfter('data: 1\n\ndata: 2\n\n'));

    const { text, error } = await read(url);

    expect(text).toBe('data: 1\n\ndata: 2\n\n');
    expect(error).toMatchObject({ name: 'TypeError' });
    expect(asked).toHaveLength(1);
  });

  test('a line separator in the data is no line: it forges no id and no end', async () => {
    const forged = frame(1, 'a\u2028id: t.1.9\u2028: eos\u2028event: done');
    const { url, asked } = await scripted(cutAfter(forged), endAfter(frame(2) + END));

    const { text } = await read(url);

    expect(text).toBe(forged + frame(2));
    expect(asked[1]?.headers['last-event-id']).toBe('t.1.1');
  });

  test('CRLF frames end where they end, also where a CR is cut off from its LF', async () => {
    const crlf = 'id: 1\r\ndata: a\r\n\r\n';
    const { url, asked } = await scripted(cutAfter(crlf + crlf.slice(0, -1)), endAfter(END));

    const { text } = await read(url);

    expect(text).toBe(crlf + END);
    expect(asked[1]?.headers['last-event-id']).toBe('1');
  });

  test('the Last-Event-ID that an EventSource sends is kept until there is another', async () => {
    const { url, asked } = await scripted(cutAfter(HELLO), endAfter(frame(8) + END));

    await read(url, { headers: { 'last-event-id': 't.1.7' } });

    expect(asked[1]?.headers['last-event-id']).toBe('t.1.7');
  });

  test('a Request is as good as an address', async () => {
    const { url, asked } = await scripted(cutAfter(frame(1), '/s'), endAfter(frame(2) + END));

    const response = await resumableFetch({ maxRetryMs: 5 })(new Request(url, POST));

    expect(await response.text()).toBe(frames(1, 2) + END);
    expect(asked[1]).toMatchObject({ method: 'GET', headers: { authorization: 'Bearer t' } });
  });

  test.each(['while it reads', 'while it waits', 'while it asks'])(
    'an abort %s fails the body at once, with the reason',
    async (when) => {
      const stop = new AbortController();
      const reason = new Error('enough');
      const { url } = await scripted(
        when === 'while it reads' ? silentAfter(frame(1)) : cutAfter(`retry: 60000\n\n${frame(1)}`),
        () => stop.abort(reason),
      );
      const maxRetryMs = when === 'while it asks' ? 1 : 60_000;
      const onReconnect = (): void => {
        if (when === 'while it waits') setImmediate(() => stop.abort(reason));
      };

      const response = await resumableFetch({ maxRetryMs, onReconnect })(url, {
        signal: stop.signal,
      });
      const reader = response.body?.getReader();
      await reader?.read();
      const next = reader?.read();
      if (when === 'while it reads') stop.abort(reason);

      await expect(next).rejects.toBe(reason);
    },
  );

  test('an app that leaves closes the connection, and what waits is over', async () => {
    let closed = false;
    const { url } = await scripted((res, req) => {
      res.once('close', () => (closed = true));
      silentAfter(frame(1))(res, req);
    });
    const response = await resumableFetch()(url);

    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();

    await until(() => closed);
    expect(closed).toBe(true);
  });
});

test('it is less than 1.5 KB gzipped', () => {
  const { outputFiles } = buildSync({
    entryPoints: [new URL('../../client/resumable-fetch.ts', import.meta.url).pathname],
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
  });
  expect(gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length).toBeLessThan(1_536);
});
