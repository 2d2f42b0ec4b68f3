import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { EventBody, Outcome } from '../../../src/stream/events.ts';
import { verified } from '../../support/ag-ui.ts';
import {
  created,
  say,
  think,
  steered,
  call,
  args,
  ready,
  result,
  pause,
  resolved,
  agent,
  usage,
  done,
  recovered,
  fold,
} from '../../support/ag-ui-log.ts';

const some = (...bodies: EventBody[]): EventBody[] => bodies;

describe('every log', () => {
  const PATHS = [undefined, ['a'], ['b'], ['a', 'x']];
  const writer = fc.nat(PATHS.length - 1);
  const id = fc.constantFrom('c1', 'c2', 'c3');
  // A part has one writer, and is of one kind.
  const step: fc.Arbitrary<EventBody[]> = fc.oneof(
    fc.tuple(fc.nat(4), writer).map(([n, at]) => some(say(10 * at + n, 'w', PATHS[at]))),
    fc.nat(4).map((n) => some(think(100 + n, 'w'))),
    fc.tuple(fc.nat(4), fc.boolean()).map(([n, heard]) => some(steered(300 + n, heard))),
    fc.tuple(fc.nat(4), id, writer).map(([n, of, at]) => some(call(200 + n, of, PATHS[at]))),
    id.map((of) => some(args(of, '{'))),
    id.map((of) => some(ready(of))),
    id.map((of) => some(result(of))),
    writer.map((at) => some(agent('started', ...(PATHS[at] ?? ['c1'])))),
    writer.map((at) => some(agent('finished', ...(PATHS[at] ?? ['c1'])))),
    id.map((of) => some(pause('act_1', of), resolved('act_1'), usage)),
    fc.constant(
      some(
        recovered([
          { type: 'text', text: 'w' },
          { type: 'steered', messageId: 'm300', text: 'rather', heard: true },
        ]),
      ),
    ),
  );
  const ending = fc.constantFrom<Outcome>('completed', 'failed', 'aborted', 'expired');

  test('of whatever order is a stream that the stock client accepts', async () => {
    const runs = Number(process.env['AG_UI_LOGS'] ?? 150);
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 30, size: 'max' }),
        ending,
        async (steps, status) => {
          // A call is announced once in a log, by somebody: the engine sees to it.
          const seen = new Set<string>();
          const bodies = steps.flat().filter((body) => {
            if (body.type !== 'tool_call') return true;
            const first = !seen.has(body.toolCallId);
            seen.add(body.toolCallId);
            return first;
          });
          const told = fold([created, ...bodies, done(status)]);
          await verified(told.events);
          expect(told.rests.at(-1)).toBe(true);
        },
      ),
      { numRuns: runs },
    );
  });
});
