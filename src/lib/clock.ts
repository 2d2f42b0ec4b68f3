/** A cancellable timer. */
export interface Timer {
  cancel(): void;
}

/** Time as the core sees it: injected, so that tests and the simulation own it. Milliseconds throughout. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `fn` once after `ms`. The timer never keeps the process alive. */
  after(ms: number, fn: () => void): Timer;
}

/** Node fires at once what is to wait longer than this. */
const LONGEST = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    let handle: NodeJS.Timeout;
    const wait = (left: number): void => {
      handle = setTimeout(
        () => (left > LONGEST ? wait(left - LONGEST) : fn()),
        Math.min(left, LONGEST),
      );
      handle.unref();
    };
    wait(ms);
    return { cancel: () => clearTimeout(handle) };
  },
};

let written = { ms: 0, text: new Date(0).toISOString() };

/** The time as ISO 8601 with milliseconds, UTC. Remembers the last one: many events are made in one millisecond. */
export function isoTime(ms: number): string {
  if (written.ms !== ms) written = { ms, text: new Date(ms).toISOString() };
  return written.text;
}

/** Resolves after `ms`, or as soon as `signal` aborts; never rejects. */
export function delay(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const onAbort = (): void => {
      timer.cancel();
      resolve();
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
