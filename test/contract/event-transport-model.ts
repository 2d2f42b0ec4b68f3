import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { EventTransport } from '../../src/stream/event-transport.ts';
import { batch, type UnderTest } from './event-transport-kit.ts';
import { ModelLog } from './model-log.ts';

const small = fc.integer({ min: 0, max: 4 });
const mostly = <T>(usual: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 8, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });

const append = fc.record({
  op: fc.constant('append' as const),
  fence: small,
  /** Distance of `expected` from the true head. */
  off: mostly(0, small),
  count: fc.integer({ min: 1, max: 6 }),
  final: mostly(false, fc.constant(true)),
});
const fence = fc.record({ op: fc.constant('fence' as const), fence: small });
const read = fc.record({
  op: fc.constant('read' as const),
  after: fc.nat({ max: 30 }),
  limit: fc.integer({ min: 1, max: 8 }),
  maxBytes: fc.integer({ min: 1, max: 120 }),
});
const drop = fc.record({ op: fc.constant('drop' as const) });
const create = fc.record({ op: fc.constant('create' as const) });

const step = fc.oneof(
  { weight: 6, arbitrary: append },
  { weight: 3, arbitrary: read },
  { weight: 1, arbitrary: fence },
  { weight: 1, arbitrary: drop },
  { weight: 2, arbitrary: create },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** The same step on the adapter and on the model, in this order, both with the head that the model has before it. */
async function play(log: EventTransport, model: ModelLog, id: string, step: Step) {
  switch (step.op) {
    case 'append': {
      const { fence, final, off, count } = step;
      const request = batch(model.head + off, count, { fence, final, generationId: id });
      return [await log.append(request), model.append(request)];
    }
    case 'fence':
      return [await log.fence(id, step.fence), model.fence(step.fence)];
    case 'read':
      return [await log.read(id, step), model.read(step)];
    case 'drop':
      return [await log.drop(id), model.drop()];
    case 'create':
      return [await log.create(id), model.create()];
    default:
      return step satisfies never;
  }
}

export function describeLogModel(at: UnderTest): void {
  test('any sequence of calls does what the trivial log does', async () => {
    let run = 0;

    const check = async (steps: Step[]): Promise<void> => {
      run += 1;
      const id = `gen_property_${run}`;
      const model = new ModelLog();
      await at.log.create(id);
      for (const step of steps) {
        const [actual, wanted] = await play(at.log, model, id, step);
        expect(actual).toEqual(wanted);
        expect(await at.log.info(id)).toEqual(model.info());
      }
    };

    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), check), {
      numRuns: 150,
    });
  });
}
