import { afterEach, describe, expect, test } from '@jest/globals';
import { startCuttingProxy } from '../support/proxy.ts';
import { seeded } from '../support/random.ts';
import {
  scriptedFrame,
  scriptedLog,
  type ScriptedStream,
  serve,
  serveLog,
  STREAM_HEADERS,
} from '../support/scripted-stream.ts';
import { readConnection, readWithResume } from '../support/sse-client.ts';

/** The instruments of the e2e suites: they must see what they are there to see. */
describe('the strict reader', () => {
  let server: ScriptedStream | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  const reading = async (frames: string[], ending: 'end' | 'destroy' = 'end'): Promise<unknown> => {
    server = await serve((_req, res) => {
      res.writeHead(200, STREAM_HEADERS);
      for (const frame of frames) res.write(frame);
      if (ending === 'end') res.end();
      else setImmediate(() => res.destroy());
    });
    return readConnection({ baseUrl: server.baseUrl, path: '/stream', entry: 'fresh' });
  };
  const log = scriptedLog(4);

  test('takes a whole stream', async () => {
    expect(await reading(log)).toMatchObject({ ending: 'clean', frames: { length: 6 } });
  });

  test('calls a destroyed stream truncated', async () => {
    expect(await reading(log.slice(0, 3), 'destroy')).toMatchObject({ ending: 'truncated' });
  });

  test('refuses a clean end before done', async () => {
    await expect(reading(log.slice(0, 3))).rejects.toThrow('a clean end before done');
  });

  test('refuses a frame after done', async () => {
    const late = scriptedFrame(7, 'text_delta', { part: 0, text: 'x' });
    await expect(reading([...log, late])).rejects.toThrow('a frame after done');
  });

  test('refuses an event twice', async () => {
    const twice = [...log.slice(0, 2), ...log.slice(1)];
    await expect(reading(twice)).rejects.toThrow('the id does not advance');
  });

  test('refuses a gap before an event that is never coalesced', async () => {
    await expect(reading([...log.slice(0, 2), ...log.slice(-1)])).rejects.toThrow('seq 6 after 2');
  });

  test('refuses a gap behind a cursor', async () => {
    server = await serve((_req, res) => {
      res.writeHead(200, STREAM_HEADERS).write(log[3]);
    });
    const { baseUrl } = server;
    const cursor = { seq: 2, id: 'g.2' };

    const read = readConnection({ baseUrl, path: '/stream', entry: 'cursor', cursor });

    await expect(read).rejects.toThrow('seq 4 after 2');
  });

  test('refuses a terminal event whose hash is not that of the fold', async () => {
    const lost = log.filter((_frame, index) => index !== 2);
    server = await serveLog(lost);

    await expect(readWithResume(server)).rejects.toThrow('done has contentHash');
  });

  test('folds a stream that a proxy cuts at random bytes', async () => {
    server = await serveLog(scriptedLog(60));
    const proxy = await startCuttingProxy({
      baseUrl: server.baseUrl,
      random: seeded(7),
      budget: (random) => random.logBetween(1, 4000),
      split: true,
    });

    const read = await readWithResume({ baseUrl: proxy.baseUrl, path: '/stream' });
    await proxy.close();

    expect(read.fold.cursor?.seq).toBe(62);
    expect(read.frames.map((frame) => frame.seq)).toEqual(
      Array.from({ length: 62 }, (_, i) => i + 1),
    );
    expect(proxy.cuts.reset).toBeGreaterThan(2);
    expect(proxy.cuts.clean).toBeGreaterThan(2);
  });
});
