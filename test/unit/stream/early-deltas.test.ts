import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { EarlyDeltas } from '../../../src/stream/early-deltas.ts';
import type { LogInfo, StoredEvent } from '../../../src/stream/event-transport.ts';
import { toStored } from '../../../src/stream/frame.ts';
import type { Preview } from '../../../src/stream/hints.ts';
import { extend, takeUp } from '../../../src/stream/log-extend.ts';
import { LogView } from '../../../src/stream/log-view.ts';
import { AT, created, GENERATION } from '../../support/events.ts';

/** The receiving side alone: what the store has, what was sent ahead of it, and everything that can happen on the way. */

const RUNS = Number(process.env['PREVIEW_RUNS'] ?? 300);

const delta = (seq: number, fence: number): StoredEvent =>
  toStored({ seq, fence, at: AT, body: { type: 'text_delta', part: 0, text: `${fence}.${seq} ` } });

/** A driver, the store, and one that reads elsewhere. */
class World {
  readonly view = new LogView(GENERATION);
  readonly #early = new EarlyDeltas();
  readonly stored: StoredEvent[] = [toStored({ seq: 1, fence: 0, at: AT, body: created() })];
  #fence = 1;
  /** Shown by the driver, not stored. */
  #shown: StoredEvent[] = [];
  #sent = 0;
  readonly #previews: Preview[] = [];
  readonly #news: Preview[] = [];
  clears = 0;

  constructor() {
    extend(this.view, { after: { fence: 0, seq: 0 }, events: this.stored });
    this.view.settled(1);
  }

  #place(seq: number): { fence: number; seq: number } {
    const of = [...this.stored, ...this.#shown].find((event) => event.seq === seq);
    return { fence: of?.fence ?? 0, seq };
  }

  say(): void {
    this.#shown.push(delta(this.stored.length + this.#shown.length + 1, this.#fence));
  }

  send(): void {
    const events = this.#shown.filter(({ seq }) => seq > this.#sent);
    const [first] = events;
    if (!first) return;
    this.#sent = events.at(-1)?.seq ?? 0;
    this.#previews.push({ generationId: GENERATION, after: this.#place(first.seq - 1), events });
  }

  flush(): void {
    const [first] = this.#shown;
    if (!first) return;
    const after = this.#place(first.seq - 1);
    this.stored.push(...this.#shown);
    this.#news.push({ generationId: GENERATION, after, events: this.#shown });
    this.#shown = [];
  }

  /** The driver dies; another one goes on from what is stored. */
  die(): void {
    this.#fence += 1;
    this.#shown = [];
    this.#sent = 0;
  }

  /** A message arrives, out of order perhaps, or twice; some never do. */
  preview(which: number, again: boolean): void {
    const at = which % Math.max(this.#previews.length, 1);
    const preview = this.#previews[at];
    if (!preview) return;
    if (!again) this.#previews.splice(at, 1);
    this.#early.take(this.view, preview, false);
  }

  /** News comes in order, but some of it never. */
  news(lost: boolean): void {
    const news = this.#news.shift();
    if (!news || lost) return;
    if (!extend(this.view, news)) return this.read();
    this.view.settled(news.events.at(-1)?.seq ?? 0);
    this.#early.catchUp(this.view);
  }

  read(): void {
    const info: LogInfo = {
      head: this.stored.length,
      fence: this.stored.at(-1)?.fence ?? 0,
      closed: false,
    };
    const after = Math.max(this.view.durable - 1, 0);
    if (!takeUp(this.view, { after, events: this.stored.slice(after), info }, 'kept')) {
      this.view.clear();
      this.clears += 1;
      if (!takeUp(this.view, { after: 0, events: this.stored, info }, 'kept')) {
        throw new Error('a new reading of the log was refused');
      }
    }
    this.#early.catchUp(this.view);
  }

  text(): string {
    const [part] = this.view.fold.message().content;
    return part?.type === 'text' ? part.text : '';
  }

  truth(): string {
    return this.stored
      .slice(1)
      .map(({ seq, fence }) => `${fence}.${seq} `)
      .join('');
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant(['say'] as const) },
  { weight: 4, arbitrary: fc.constant(['send'] as const) },
  { weight: 3, arbitrary: fc.constant(['flush'] as const) },
  { weight: 1, arbitrary: fc.constant(['die'] as const) },
  { weight: 1, arbitrary: fc.constant(['read'] as const) },
  { weight: 5, arbitrary: fc.tuple(fc.constant('preview' as const), fc.nat(3), fc.boolean()) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('news' as const), fc.integer({ min: 0, max: 9 })) },
);

function act(world: World, [what, which = 0, again = false]: readonly [string, number?, boolean?]) {
  if (what === 'say') world.say();
  if (what === 'send') world.send();
  if (what === 'flush') world.flush();
  if (what === 'die') world.die();
  if (what === 'read') world.read();
  if (what === 'preview') world.preview(which, again);
  if (what === 'news') world.news(which === 0);
}

describe('deltas ahead of the store', () => {
  test('whatever is lost, late, doubled or withdrawn: the log is that of the store in the end', () => {
    let ahead = 0;
    let clears = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
        const world = new World();
        for (const each of steps) {
          act(world, each);
          // What the store has said stays: only what is ahead of it may be withdrawn.
          const { durable } = world.view;
          expect(world.truth().startsWith(world.text()) || world.view.head.seq > durable).toBe(
            true,
          );
          if (world.view.head.seq > durable) ahead += 1;
        }
        world.flush();
        world.say();
        world.flush();
        world.read();
        clears += world.clears;

        expect(world.text()).toBe(world.truth());
      }),
      { numRuns: RUNS },
    );
    // Else nothing of all this was met.
    expect(ahead).toBeGreaterThan(RUNS / 10);
    expect(clears).toBeGreaterThan(0);
  });

  test('nothing but deltas is taken', () => {
    const world = new World();
    const early = new EarlyDeltas();
    const event = toStored({ seq: 2, fence: 1, at: AT, body: { type: 'title', title: 'x' } });
    const preview = { generationId: GENERATION, after: { fence: 0, seq: 1 }, events: [event] };

    expect(early.take(world.view, preview, false)).toBe(false);
    expect(world.view.head.seq).toBe(1);
  });
});
