import type { z } from 'zod';
import type { Encoder } from '../encoder.ts';

/**
 * The same fold with one frame at its end: what it makes as a whole, for an answer that is no stream. `end`: when a
 * response may end. `now`: as soon as all that there is at the moment is folded.
 */
export function snapshotOf<S>(
  encoder: Encoder<S>,
  { when, body }: { when: 'end' | 'now'; body: (state: S) => unknown },
): Encoder<S> {
  return {
    initial: encoder.initial,
    encode(before, event) {
      const { state, ending } = encoder.encode(before, event);
      if (when === 'end' && !ending) return { state, frames: [] };
      return {
        state,
        frames: [],
        // Only the last one is sent: what others would say is made when it is read.
        ending: [
          {
            get data() {
              return JSON.stringify(body(state));
            },
          },
        ],
      };
    },
  };
}

/** What a snapshot says, out of the collected stream. */
export function readSnapshot<T>(text: string, schema: z.ZodType<T>): T {
  const line = text.split('\n').find((it) => it.startsWith('data: ')) ?? '';
  const value: unknown = JSON.parse(line.slice('data: '.length));
  return schema.parse(value);
}
