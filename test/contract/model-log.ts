import type {
  AppendRequest,
  AppendResult,
  LogInfo,
  StoredEvent,
} from '../../src/stream/event-transport.ts';

/** The log as a child would write it: the whole truth in one array. What the adapters are compared with. */
export class ModelLog {
  #there = true;
  #events: StoredEvent[] = [];
  #fence = 0;
  #closed = false;

  get head(): number {
    return this.#events.length;
  }

  create(): void {
    if (this.#there) return;
    this.#there = true;
    this.#events = [];
    this.#fence = 0;
    this.#closed = false;
  }

  info(): LogInfo | undefined {
    if (!this.#there) return undefined;
    return { head: this.head, fence: this.#fence, closed: this.#closed };
  }

  append(request: AppendRequest): AppendResult {
    if (!this.#there) return { outcome: 'missing' };
    if (request.fence < this.#fence) return { outcome: 'stale_fence', fence: this.#fence };
    this.#fence = request.fence;
    if (this.#closed) return { outcome: 'closed', head: this.head };
    if (request.expected !== this.head) return { outcome: 'out_of_sequence', head: this.head };
    this.#events.push(...request.events);
    this.#closed = request.final;
    return { outcome: 'appended', head: this.head };
  }

  fence(fence: number): LogInfo | { outcome: 'stale_fence'; fence: number } | undefined {
    if (!this.#there) return undefined;
    if (fence < this.#fence) return { outcome: 'stale_fence', fence: this.#fence };
    this.#fence = fence;
    return this.info();
  }

  read(range: { after: number; limit: number; maxBytes: number }) {
    const info = this.info();
    if (!info) return undefined;
    const rest = this.#events.slice(range.after);
    let bytes = 0;
    const events = rest.slice(0, range.limit).filter((event, index) => {
      bytes += Buffer.byteLength(event.data);
      return index === 0 || bytes <= range.maxBytes;
    });
    return { events, info };
  }

  drop(): void {
    this.#there = false;
    this.#events = [];
  }
}
