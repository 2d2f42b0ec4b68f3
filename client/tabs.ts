import { Bell } from './bell.ts';
import { type Place, type Step, step } from './frames.ts';
import { type ChannelLike, type LockManagerLike, surroundings } from './surroundings.ts';
import { sleep } from './sleep.ts';
import type { StreamEvent } from './types.ts';

/** What tabs of one origin agree by. */
export interface TabTools {
  locks: LockManagerLike;
  Channel: new (name: string) => ChannelLike;
}

export interface Sharing extends TabTools {
  /** The same in all tabs that read the same. */
  name: string;
  /** A connection of one's own. */
  own: (from: Place, signal: AbortSignal) => AsyncIterable<Step>;
  /** Milliseconds within which a leader must answer; 2,000. */
  answerMs?: number;
  /** Milliseconds without a word of the leader, after which it is asked whether it is there; 5,000. */
  quietMs?: number;
}

/** Undefined in Node, in workers, and where the page's context is insecure. */
export function tabTools(): TabTools | undefined {
  const { document, navigator, BroadcastChannel: Channel } = surroundings;
  const locks = document && navigator?.locks;
  return locks && Channel && { locks, Channel };
}

type Note =
  /** The leader came one event further. */
  | { kind: 'step'; before: string; cursor: string; event: StreamEvent }
  /** A follower wants to be brought to where the leader is; also asks whether there is one. */
  | { kind: 'ask'; cursor: string }
  /** The leader is, and is there. */
  | { kind: 'here' }
  | { kind: 'place'; place: Place; over: boolean };

const LAST_WORDS_MS = 50;

/**
 * One connection for all tabs. Who holds the lock of the name leads: it reads, and tells the others each event. The
 * others follow, and the next of them leads once the lock is free. A leader that does not answer (its tab is frozen) is
 * passed by with a connection of one's own, for the rest of this reading.
 */
export async function* shareTabs(
  sharing: Sharing,
  from: Place,
  signal: AbortSignal,
): AsyncGenerator<Place, void> {
  const tab = new Tab(sharing, from);
  try {
    yield* tab.followed(signal);
    if (tab.over || signal.aborted) return;
    for await (const next of sharing.own(tab.place, signal)) {
      tab.tell(next);
      yield next;
    }
    if (!signal.aborted) tab.end();
  } finally {
    tab.leave();
  }
}

class Tab {
  place: Place;
  over = false;
  readonly #sharing: Sharing;
  readonly #bell = new Bell();
  readonly #channel: ChannelLike;
  readonly #queue = new AbortController();
  #role: 'follows' | 'leads' | 'alone' = 'follows';
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** A question of this tab has no answer yet. */
  #asked = false;
  /** There was a leader. */
  #heard = false;
  #release: (() => void) | undefined;
  #left = false;

  constructor(sharing: Sharing, from: Place) {
    this.#sharing = sharing;
    this.place = from;
    this.#channel = new sharing.Channel(sharing.name);
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- its overloads have no common shape
    this.#channel.onmessage = ({ data }: { data: Note }) => this.#hear(data);
    this.#ask();
    void this.#standInLine();
  }

  /** Until this tab is to read by itself, or all was told. */
  async *followed(signal: AbortSignal): AsyncGenerator<Place, void> {
    let seen = this.place;
    while (!signal.aborted) {
      if (this.place !== seen) {
        seen = this.place;
        yield seen;
      } else if (this.over || this.#role !== 'follows') return;
      else await this.#bell.next(signal);
    }
  }

  tell(next: Step): void {
    this.place = next;
    const { before, cursor, event } = next;
    if (this.#role === 'leads') this.#say({ kind: 'step', before, cursor, event });
  }

  end(): void {
    this.over = true;
    if (this.#role === 'leads') this.#tellPlace();
  }

  leave(): void {
    clearTimeout(this.#timer);
    this.#queue.abort();
    this.#left = true;
    this.#channel.close();
    this.#release?.();
  }

  async #standInLine(): Promise<void> {
    const { locks, name } = this.#sharing;
    const { signal } = this.#queue;
    try {
      await locks.request(name, { signal }, async () => {
        // The last words of who led before may still be under way.
        if (this.#heard) await sleep(LAST_WORDS_MS, signal);
        if (signal.aborted) return;
        this.#become('leads');
        this.#say({ kind: 'here' });
        await new Promise<void>((resolve) => {
          this.#release = resolve;
        });
      });
    } catch {
      // This tab left or passed the leader by; or it may have no locks (an opaque origin).
      if (!signal.aborted) this.#become('alone');
    }
  }

  #become(role: 'leads' | 'alone'): void {
    this.#role = role;
    clearTimeout(this.#timer);
    this.#bell.ring();
  }

  #say(note: Note): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    this.#channel.postMessage(note);
  }

  #tellPlace(): void {
    const { cursor, seq, state } = this.place;
    this.#say({ kind: 'place', place: { cursor, seq, state }, over: this.over });
  }

  #ask(): void {
    this.#asked = true;
    this.#say({ kind: 'ask', cursor: this.place.cursor });
    this.#wait(this.#sharing.answerMs ?? 2e3, () => {
      this.#queue.abort();
      this.#become('alone');
    });
  }

  #wait(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }

  #hear(note: Note): void {
    if (this.#left) return;
    if (this.#role === 'leads' && note.kind === 'ask') {
      if (note.cursor === this.place.cursor) this.#say({ kind: 'here' });
      else this.#tellPlace();
    }
    if (this.#role === 'follows' && note.kind !== 'ask') this.#obey(note);
  }

  #obey(note: Exclude<Note, { kind: 'ask' }>): void {
    this.#heard = true;
    this.#wait(this.#sharing.quietMs ?? 5e3, () => this.#ask());
    if (note.kind === 'step') return this.#follow(note);
    this.#asked = false;
    if (note.kind === 'place' && (note.over || isAhead(note.place, this.place))) {
      this.#move(note.place, note.over);
    }
  }

  #follow({ before, cursor, event }: Extract<Note, { kind: 'step' }>): void {
    const { place } = this;
    const { type, seq } = event;
    // The log itself went back: what it stands at is the truth, wherever this tab is.
    const back = type === 'reset' || type === 'sync';
    if (back || before === place.cursor) {
      this.#move(step(place, cursor, event), type === 'done');
    } else if ((seq > place.seq || type === 'done') && !this.#asked) this.#ask();
  }

  #move(place: Place, over: boolean): void {
    this.place = place;
    this.over = over;
    this.#bell.ring();
  }
}

/** A new leader may be behind those who follow it, for a moment. */
function isAhead(theirs: Place, mine: Place): boolean {
  return theirs.state !== undefined && (!mine.state || theirs.seq > mine.seq);
}
