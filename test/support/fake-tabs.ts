import type { ChannelLike, LockManagerLike } from '../../client/surroundings.ts';
import type { TabTools } from '../../client/tabs.ts';

/** Locks and channels of one origin, in memory: messages arrive in order and later, as copies. */
export function fakeOrigin(): TabTools & { held(name: string): boolean; deafen(): void } {
  const channels = new Map<string, Set<FakeChannel>>();
  const lines = new Map<string, (() => Promise<void>)[]>();
  let deaf = new Set<FakeChannel>();

  class FakeChannel implements ChannelLike {
    readonly #mates: Set<FakeChannel>;
    onmessage: ((event: never) => void) | null = null;

    constructor(name: string) {
      this.#mates = channels.get(name) ?? new Set();
      channels.set(name, this.#mates.add(this));
    }

    postMessage(message: unknown): void {
      if (!this.#mates.has(this)) throw new Error('a closed channel was used');
      if (deaf.has(this)) return;
      const text = JSON.stringify(message);
      for (const mate of this.#mates) {
        if (mate !== this) setImmediate(() => mate.hear(text));
      }
    }

    hear(text: string): void {
      if (!this.#mates.has(this) || deaf.has(this)) return;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the listener knows what its tabs say
      this.onmessage?.({ data: JSON.parse(text) } as never);
    }

    close(): void {
      this.#mates.delete(this);
    }
  }

  const serve = async (name: string): Promise<void> => {
    const line = lines.get(name) ?? [];
    while (line[0]) {
      await line[0]();
      line.shift();
    }
    lines.delete(name);
  };

  const locks: LockManagerLike = {
    request: (name, { signal }, held) =>
      new Promise((resolve, reject) => {
        const line = lines.get(name);
        const turn = async (): Promise<void> => {
          if (signal?.aborted) return;
          await Promise.resolve();
          await held().then(resolve);
        };
        signal?.addEventListener('abort', () => reject(new Error('AbortError')));
        if (line) line.push(turn);
        else {
          lines.set(name, [turn]);
          void serve(name);
        }
      }),
  };

  return {
    locks,
    Channel: FakeChannel,
    held: (name) => lines.has(name),
    /** The tabs that are there are frozen: they hear and say nothing from now on. */
    deafen: () => {
      deaf = new Set([...channels.values()].flatMap((mates) => [...mates]));
    },
  };
}
