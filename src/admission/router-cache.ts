import type { Clock } from '../lib/clock.ts';

interface Entry {
  value: string;
  /** Epoch ms. */
  until: number;
}

/** What a model chose, for a while: at most `size` entries, the longest unused leave first; one call at a time per key. */
export class RouterCache {
  readonly #entries = new Map<string, Entry>();
  readonly #asking = new Map<string, Promise<string | undefined>>();
  readonly #deps: { clock: Clock; size: number; ttl: number };

  constructor(deps: { clock: Clock; size: number; ttl: number }) {
    this.#deps = deps;
  }

  /** `ask` is called where nothing is known; undefined, which is not kept: it has no answer. */
  get(key: string, ask: () => Promise<string | undefined>): Promise<string | undefined> {
    const known = this.#entries.get(key);
    if (known && known.until > this.#deps.clock.now()) {
      this.#keep(key, known);
      return Promise.resolve(known.value);
    }
    const asking = this.#asking.get(key) ?? this.#ask(key, ask);
    this.#asking.set(key, asking);
    return asking;
  }

  async #ask(key: string, ask: () => Promise<string | undefined>): Promise<string | undefined> {
    try {
      const value = await ask();
      const until = this.#deps.clock.now() + this.#deps.ttl;
      if (value !== undefined) this.#keep(key, { value, until });
      return value;
    } finally {
      this.#asking.delete(key);
    }
  }

  /** In the order of use. */
  #keep(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size <= this.#deps.size) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
