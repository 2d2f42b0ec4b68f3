import type { LogListener, LogWatch } from '../stream/event-transport.ts';

interface Follower {
  tell(generationId: string): void;
}

/** `watch` within one process: whoever appends tells whoever follows, nothing is lost and nothing polls. */
export class LogWatchers {
  readonly #byLog = new Map<string, Set<Follower>>();
  readonly #headOf: (generationId: string) => number;

  /** `headOf` is 0 where there is no log. */
  constructor(headOf: (generationId: string) => number) {
    this.#headOf = headOf;
  }

  watch(listener: LogListener): LogWatch {
    const followed = new Set<string>();
    let moved = new Set<string>();
    const flush = (): void => {
      const ids = moved;
      moved = new Set();
      for (const id of ids) if (followed.has(id)) listener(id);
    };
    const follower: Follower = {
      tell: (generationId) => {
        // What one commit moved is told once, after it.
        if (moved.size === 0) queueMicrotask(flush);
        moved.add(generationId);
      },
    };
    const unfollow = (generationId: string): void => {
      if (!followed.delete(generationId)) return;
      const followers = this.#byLog.get(generationId);
      followers?.delete(follower);
      if (followers?.size === 0) this.#byLog.delete(generationId);
    };
    return {
      follow: (generationId, head) => {
        followed.add(generationId);
        this.#of(generationId).add(follower);
        if (this.#headOf(generationId) !== head) follower.tell(generationId);
      },
      unfollow,
      async [Symbol.asyncDispose]() {
        for (const generationId of followed) unfollow(generationId);
      },
    };
  }

  notify(generationId: string): void {
    for (const follower of this.#byLog.get(generationId) ?? []) follower.tell(generationId);
  }

  #of(generationId: string): Set<Follower> {
    const known = this.#byLog.get(generationId);
    if (known) return known;
    const followers = new Set<Follower>();
    this.#byLog.set(generationId, followers);
    return followers;
  }
}
