import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Hint, Hints } from '../../src/stream/hints.ts';
import { eventually } from '../support/services.ts';

/** What every `Hints` must do (src/stream/hints.ts), whatever carries them. */

export interface HintsFixture {
  /** One replica's end. */
  connect(replicaId: string): Hints | Promise<Hints>;
  destroy(): void | Promise<void>;
}

export interface HintsSuite {
  name: string;
  create: () => HintsFixture | Promise<HintsFixture>;
}

const FENCED = {
  type: 'fenced',
  generationId: 'gen_"1"\u2028',
  fence: 7,
} as const satisfies Hint;

/** Hints may be lost, above all those of the time before a listener is heard of. */
async function publishUntil(from: Hints, hint: Hint, heard: () => boolean): Promise<void> {
  await eventually('the hint is heard', () => {
    from.publish(hint);
    return heard();
  });
}

export function describeHints({ name, create }: HintsSuite): void {
  describe(`Hints: ${name}`, () => {
    let fixture: HintsFixture;
    let one: Hints;
    let other: Hints;
    let heard: Hint[];
    let stop: Disposable;

    beforeEach(async () => {
      fixture = await create();
      one = await fixture.connect('r1');
      other = await fixture.connect('r2');
      heard = [];
      stop = other.listen((hint) => heard.push(hint));
    });

    afterEach(async () => {
      stop[Symbol.dispose]();
      await fixture.destroy();
    });

    test.each<Hint>([{ type: 'queued' }, FENCED])(
      'another replica hears what was said: %j',
      async (hint) => {
        // What an earlier test repeated may still be on its way.
        const isIt = (other: Hint): boolean => isDeepStrictEqual(other, hint);
        await publishUntil(one, hint, () => heard.some(isIt));

        expect(heard.filter(isIt)).not.toEqual([]);
      },
    );

    test('what one replica is told no other hears, and it is told who says so', async () => {
      const log = {
        generationId: 'gen_"1"\u2028',
        after: { fence: 7, seq: 41 },
        events: [{ seq: 42, fence: 7, type: 'text_delta', data: '{"text":"\u2028\ud83d\ude00"}' }],
      };
      const told: Hint = { type: 'previews', logs: [log] };
      const forOthers: Hint = { ...FENCED, fence: 99 };
      const from: string[] = [];
      const listening = other.listen((_hint, replica) => from.push(replica));
      await eventually('the hint is heard', () => {
        one.tell('r3', forOthers);
        one.tell('r2', told);
        return heard.some((hint) => isDeepStrictEqual(hint, told));
      });

      expect(heard).not.toContainEqual(forOthers);
      expect(new Set(from)).toEqual(new Set(['r1']));
      listening[Symbol.dispose]();
    });

    test('nobody hears himself', async () => {
      const own: Hint[] = [];
      const listening = one.listen((hint) => own.push(hint));
      // He hears others: what comes back to him would come, too.
      await publishUntil(other, { type: 'queued' }, () => own.length > 0);
      own.length = 0;

      await publishUntil(one, FENCED, () => heard.length > 0);
      await publishUntil(other, { type: 'queued' }, () => own.length > 0);

      expect(own.every(({ type }) => type === 'queued')).toBe(true);
      listening[Symbol.dispose]();
    });

    test('every listener hears it, and who left does not', async () => {
      const second: Hint[] = [];
      const third: Hint[] = [];
      const leaving = other.listen((hint) => second.push(hint));
      const staying = other.listen((hint) => third.push(hint));
      await publishUntil(one, { type: 'queued' }, () => second.length > 0 && third.length > 0);
      leaving[Symbol.dispose]();
      second.length = 0;

      await publishUntil(one, FENCED, () => third.some(({ type }) => type === 'fenced'));

      expect(second).toEqual([]);
      staying[Symbol.dispose]();
    });

    test('the last one may leave, and somebody come again', async () => {
      await publishUntil(one, { type: 'queued' }, () => heard.length > 0);
      stop[Symbol.dispose]();
      heard.length = 0;
      stop = other.listen((hint) => heard.push(hint));

      await publishUntil(one, FENCED, () => heard.some(({ type }) => type === 'fenced'));

      expect(heard).toContainEqual(FENCED);
    });

    test('saying something to nobody is nothing', async () => {
      stop[Symbol.dispose]();

      expect(() => one.publish({ type: 'queued' })).not.toThrow();
    });
  });
}
