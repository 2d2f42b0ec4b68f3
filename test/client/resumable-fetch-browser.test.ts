import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { END, frame, frames, read, useScripted } from '../support/resumed.ts';
import { answer, cutAfter, endAfter, hangUp } from '../support/scripted-server.ts';

const scripted = useScripted();

describe('in a browser', () => {
  const listeners = new Map<string, () => void>();
  const online = { onLine: true };

  beforeEach(() => {
    online.onLine = true;
    Object.defineProperty(globalThis, 'navigator', { value: online, configurable: true });
    Object.assign(globalThis, {
      addEventListener: (
        type: string,
        listener: () => void,
        { signal }: { signal: AbortSignal },
      ) => {
        listeners.set(type, listener);
        signal.addEventListener('abort', () => listeners.delete(type));
      },
    });
  });
  afterEach(() => {
    Reflect.deleteProperty(globalThis, 'addEventListener');
    Reflect.deleteProperty(globalThis, 'navigator');
  });

  test.each(['online', 'visibilitychange'])('%s ends a wait at once', async (type) => {
    const { url } = await scripted(
      cutAfter(`retry: 60000\n\n${frame(1)}`),
      endAfter(frame(2) + END),
    );
    const onReconnect = (): void => void setImmediate(() => listeners.get(type)?.());

    const { text, error } = await read(url, {}, { maxRetryMs: 60_000, onReconnect });

    expect(error).toBeUndefined();
    expect(text).toContain(frame(2));
    expect(listeners.size).toBe(0);
  });

  test('while it is offline no attempt counts', async () => {
    const { url, asked } = await scripted(
      (res, req) => {
        online.onLine = false;
        cutAfter(frame(1))(res, req);
      },
      ...Array.from({ length: 5 }, () => hangUp),
      (res, req) => {
        online.onLine = true;
        hangUp(res, req);
      },
      endAfter(frame(2) + END),
    );

    const { text, reconnects } = await read(url, {}, { attempts: 1 });

    expect(text).toBe(frames(1, 2));
    expect(asked).toHaveLength(8);
    expect(reconnects.map(({ attempt }) => attempt)).toEqual([0, 0, 0, 0, 0, 0, 1]);
  });

  test('a Retry-After is not cut short', async () => {
    const { url } = await scripted(
      cutAfter(frame(1)),
      answer(503, { 'retry-after': '0.3' }),
      endAfter(frame(2) + END),
    );
    const began = performance.now();

    await read(url, {}, { onReconnect: () => setImmediate(() => listeners.get('online')?.()) });

    expect(performance.now() - began).toBeGreaterThan(290);
  });
});
