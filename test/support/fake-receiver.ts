import type { Log } from '../../src/lib/log.ts';

/** A request that a test answers by hand. */
export interface SentCall {
  url: string;
  init: RequestInit;
  answer(status: number): void;
  fail(error: Error): void;
}

/** The other end of a `fetch`, without a network. */
export class FakeReceiver {
  readonly calls: SentCall[] = [];

  readonly fetch = (url: string, init: RequestInit): Promise<Response> =>
    new Promise((resolve, reject) => {
      const stopped = (): void => reject(new DOMException('stopped', 'AbortError'));
      if (init.signal?.aborted) return stopped();
      init.signal?.addEventListener('abort', stopped);
      this.calls.push({
        url,
        init,
        answer(status) {
          resolve(new Response(status === 204 ? null : 'what it says', { status }));
        },
        fail: reject,
      });
    });

  /** The call that was made last. */
  get newest(): SentCall {
    const call = this.calls.at(-1);
    if (!call) throw new Error('nothing was sent');
    return call;
  }

  /** A header of every call, in order. */
  header(name: string): (string | null)[] {
    return this.calls.map(({ init }) => new Headers(init.headers).get(name));
  }
}

export function bodyOf({ init }: SentCall): unknown {
  if (typeof init.body !== 'string') throw new Error('no text was sent');
  return JSON.parse(init.body);
}

/** A log that keeps its lines. */
export class KeptLog implements Log {
  readonly lines: { level: string; fields: object; message: string }[] = [];

  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', fields, message });
  }

  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', fields, message });
  }

  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', fields, message });
  }
}
