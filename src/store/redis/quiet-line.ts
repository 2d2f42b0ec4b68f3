import type { Redis } from 'ioredis';
import type { Clock } from '../../lib/clock.ts';
import type { RedisConnection } from './connection.ts';
import { endOf } from './end-of.ts';

/** A line that broke is opened again no sooner than this, ms. */
const RETRY_MS = 1_000;
/** Beyond this many bytes what a server does not take is dropped. */
const MOST_WAITING = 1024 * 1024;

export interface QuietLineDeps {
  redis: RedisConnection;
  clock: Clock;
}

/**
 * A connection for messages that may be lost, on which Redis sends no replies: each would wake this process once more,
 * for nothing, which is a tenth of what a token costs to reach another replica. The client would wait for them, so
 * commands are written past it. Opens with the first message. A server that does not know `CLIENT REPLY`, or forbids
 * it, is left alone.
 */
export class QuietLine implements AsyncDisposable {
  readonly #deps: QuietLineDeps;
  #link: Redis | undefined;
  /** Where messages go, once replies are off. */
  #socket: Redis['stream'] | undefined;
  #openAfter = -Infinity;
  #probing = false;
  #refused = false;
  #closed = false;

  constructor(deps: QuietLineDeps) {
    this.#deps = deps;
  }

  /** False: it is not open (yet), and the message must go another way. */
  publish(channel: string, message: string): boolean {
    const socket = this.#socket;
    if (!socket) {
      this.#open();
      return false;
    }
    if (socket.writableLength < MOST_WAITING) socket.write(command('PUBLISH', channel, message));
    return true;
  }

  /** Finds out whether the connection is alive, by one reply: one that hangs is thrown away. */
  probe(): void {
    const link = this.#link;
    if (!link || !this.#socket || this.#probing) return;
    this.#probing = true;
    link
      .call('CLIENT', 'REPLY', 'ON')
      // It ends the connection, which is heard of where it was opened.
      .catch(ignore)
      .finally(() => {
        if (this.#link === link) this.#probing = false;
      });
    this.#socket.write(command('CLIENT', 'REPLY', 'OFF'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await endOf(this.#link);
  }

  #open(): void {
    const now = this.#deps.clock.now();
    if (this.#link || this.#refused || this.#closed || now < this.#openAfter) return;
    this.#openAfter = now + RETRY_MS;
    const link = this.#deps.redis.line('holdfast-hints');
    if (!link) return;
    this.#link = link;
    // The connection of the commands tells the operator; `end` follows.
    link.on('error', ignore);
    link.once('end', () => {
      this.#link = undefined;
      this.#socket = undefined;
      this.#probing = false;
    });
    this.#hush(link).catch(() => link.disconnect());
  }

  async #hush(link: Redis): Promise<void> {
    await link.connect();
    // The last reply: whatever was asked before is answered.
    await link.ping();
    // It may have ended meanwhile.
    if (this.#link !== link) return;
    const { stream } = link;
    stream.write(command('CLIENT', 'REPLY', 'OFF'));
    stream.on('data', () => {
      if (this.#probing) return;
      this.#refused = true;
      link.disconnect();
    });
    this.#socket = stream;
  }
}

/** As RESP has it. */
function command(...parts: string[]): string {
  const texts = parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
  return `*${parts.length}\r\n${texts.join('')}`;
}

function ignore(): void {}
