import { createHash } from 'node:crypto';
import type { BaseMessage } from '@langchain/core/messages';
import type { Clock } from '../lib/clock.ts';
import { transcript } from './context-window.ts';

/** Summaries that are kept, and for how long after their last use, ms. */
const MOST = 500;
const KEPT_MS = 3_600_000;

/** Names what was said up to each message, whatever the ids: equal beginnings have equal names. */
export function beginnings(messages: readonly BaseMessage[], seed: string): string[] {
  let name = seed;
  return messages.map((message) => {
    const hash = createHash('sha256').update(name).update('\n').update(message.type);
    name = hash.update(transcript([message])).digest('hex');
    return name;
  });
}

/**
 * Summaries of beginnings of conversations, in memory: what is not there is made anew. The least recently used goes
 * first.
 */
export class Summaries {
  readonly #clock: Clock;
  readonly #kept = new Map<string, { text: string; until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(name: string): string | undefined {
    const found = this.#kept.get(name);
    if (!found) return undefined;
    this.#kept.delete(name);
    if (found.until <= this.#clock.now()) return undefined;
    this.set(name, found.text);
    return found.text;
  }

  set(name: string, text: string): void {
    this.#kept.delete(name);
    this.#kept.set(name, { text, until: this.#clock.now() + KEPT_MS });
    // In the order of their last use, so those that are over stand first.
    for (const [oldest, { until }] of this.#kept) {
      if (this.#kept.size <= MOST && until > this.#clock.now()) break;
      this.#kept.delete(oldest);
    }
  }
}
