import type { Clock, Timer } from '../lib/clock.ts';
import type { Hint, Hints, Preview } from './hints.ts';

/** Least time between two messages, ms. What comes after it goes at the end of its turn of the loop, all logs together. */
const GAP_MS = 2;
/** A replica that follows logs says so once in this many ms. */
const RENEW_MS = 10_000;
/** Who did not say so for this long is told no more. */
const FORGET_MS = 3 * RENEW_MS;
/** Logs named in one message. */
const MOST_NAMED = 1_000;

/** A log that is written here. */
export interface PreviewSource {
  readonly generationId: string;
  /**
   * What was shown and is not being stored yet; undefined: nothing. All of it where somebody is `fresh`, else what was
   * shown since it was asked last.
   */
  takePreview(fresh: boolean): Preview | undefined;
}

/** A replica that follows a log. */
interface Follower {
  /** When it said so last. */
  said: number;
  /** It was sent nothing yet. */
  fresh: boolean;
}

export interface PreviewsDeps {
  hints: Hints;
  clock: Clock;
  /** Runs `task` soon, after what is going on now. A timer instead would wake the process once more per message. */
  schedule(task: () => void): void;
  /** Deltas of a log that is followed here, sent by whoever drives it. */
  arrived(preview: Preview): void;
}

/**
 * Readers on other replicas get deltas as soon as those on the driver's own: ahead of the store, by hints. All of it may
 * be lost; then they come with the next entry of the log, one flush window later.
 */
export class Previews implements Disposable {
  readonly #deps: PreviewsDeps;
  readonly #ear: Disposable;
  /** Logs with readers here, driven elsewhere. */
  readonly #followed = new Set<string>();
  /** Said to nobody yet. */
  #fresh: string[] = [];
  #renewal: Timer | undefined;
  /** By log, then by replica. */
  readonly #followers = new Map<string, Map<string, Follower>>();
  readonly #sources = new Set<PreviewSource>();
  #sending = false;
  #wait: Timer | undefined;
  #sentAt = 0;
  #swept = 0;

  constructor(deps: PreviewsDeps) {
    this.#deps = deps;
    this.#ear = deps.hints.listen((hint, from) => this.#hear(hint, from));
  }

  /** From now on deltas of this log may arrive. */
  follow(generationId: string): void {
    this.#followed.add(generationId);
    if (this.#fresh.push(generationId) === 1) queueMicrotask(() => this.#ask());
    this.#renewal ??= this.#deps.clock.after(RENEW_MS, () => this.#renew());
  }

  unfollow(generationId: string): void {
    this.#followed.delete(generationId);
    if (this.#followed.size > 0) return;
    this.#renewal?.cancel();
    this.#renewal = undefined;
  }

  /** Does anybody elsewhere follow this log? */
  wanted(generationId: string): boolean {
    return this.#followers.has(generationId);
  }

  /** The source has something new, for those who follow it. */
  offer(source: PreviewSource): void {
    this.#sources.add(source);
    if (this.#sending) return;
    this.#sending = true;
    // The clock may have been set back.
    const wait = Math.min(this.#sentAt + GAP_MS - this.#deps.clock.now(), GAP_MS);
    if (wait > 0) this.#wait = this.#deps.clock.after(wait, () => this.#send());
    else this.#deps.schedule(() => this.#send());
  }

  withdraw(source: PreviewSource): void {
    this.#sources.delete(source);
  }

  [Symbol.dispose](): void {
    this.#ear[Symbol.dispose]();
    this.#renewal?.cancel();
    this.#wait?.cancel();
    this.#fresh = [];
    this.#sources.clear();
  }

  #ask(): void {
    const named = this.#fresh;
    this.#fresh = [];
    for (let at = 0; at < named.length; at += MOST_NAMED) {
      const generationIds = named.slice(at, at + MOST_NAMED);
      this.#deps.hints.publish({ type: 'follows', generationIds });
    }
  }

  #renew(): void {
    this.#renewal = this.#deps.clock.after(RENEW_MS, () => this.#renew());
    this.#fresh = [...this.#followed];
    this.#ask();
  }

  #hear(hint: Hint, from: string): void {
    if (hint.type === 'previews') {
      for (const preview of hint.logs) {
        if (this.#followed.has(preview.generationId)) this.#deps.arrived(preview);
      }
    }
    if (hint.type !== 'follows') return;
    const now = this.#deps.clock.now();
    this.#sweep(now);
    for (const generationId of hint.generationIds) {
      const known = this.#followers.get(generationId) ?? new Map<string, Follower>();
      const fresh = known.get(from)?.fresh ?? true;
      this.#followers.set(generationId, known.set(from, { said: now, fresh }));
    }
  }

  /** Logs whose readers left are named no more. */
  #sweep(now: number): void {
    if (now - this.#swept < RENEW_MS) return;
    this.#swept = now;
    for (const [generationId, replicas] of this.#followers) {
      for (const [replica, { said }] of replicas) {
        if (now - said > FORGET_MS) replicas.delete(replica);
      }
      if (replicas.size === 0) this.#followers.delete(generationId);
    }
  }

  #send(): void {
    this.#sending = false;
    this.#sentAt = this.#deps.clock.now();
    const letters = new Map<string, Preview[]>();
    for (const source of this.#sources) {
      const followers = this.#followers.get(source.generationId);
      const preview = followers && source.takePreview(greet(followers.values()));
      if (!preview) continue;
      for (const replica of followers.keys()) {
        const letter = letters.get(replica);
        if (letter) letter.push(preview);
        else letters.set(replica, [preview]);
      }
    }
    this.#sources.clear();
    for (const [replica, logs] of letters)
      this.#deps.hints.tell(replica, { type: 'previews', logs });
  }
}

/** Was anybody among them sent nothing yet? All of them are sent something now. */
function greet(followers: Iterable<Follower>): boolean {
  let fresh = false;
  for (const follower of followers) {
    fresh ||= follower.fresh;
    follower.fresh = false;
  }
  return fresh;
}
