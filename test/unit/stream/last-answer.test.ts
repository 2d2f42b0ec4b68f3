import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { settle } from '../../support/fake-clock.ts';
import { closeStores, Heart, memoryStores, type Stores } from '../../support/heart.ts';

/** A turn that is sent when its reader has the end of the last one, whose record is not closed yet. */

let stores: Stores;
let a: Heart;
let b: Heart;
let prune: () => void;

beforeEach(() => {
  stores = memoryStores();
  a = new Heart(stores, { driver: 'a' });
  b = new Heart(stores, { driver: 'b' });
  const pruned = new Promise<void>((resolve) => {
    prune = resolve;
  });
  a.runner.prune = () => pruned;
});

afterEach(async () => {
  prune();
  await a.close();
  await b.close();
  closeStores(stores);
});

/** `a` has appended the terminal event, and hangs at what comes after. */
async function told(): Promise<{ streamId: string; conversationId: string }> {
  const started = await a.start();
  const reader = await b.read(started.streamId);
  a.runner.last.say('a');
  a.runner.last.end();
  await settle();
  expect(reader.types.at(-1)).toBe('done');
  expect((await stores.jobs.get(started.streamId))?.status).toBe('finalizing');
  return started;
}

describe('a turn right behind the terminal event', () => {
  test.each(['reject', 'enqueue'] as const)(
    'is accepted although who wrote that died (onBusy %s)',
    async (onBusy) => {
      const { streamId, conversationId } = await told();

      const { status } = await b.start({ conversationId, onBusy });

      expect(status).toBe('started');
      expect(await stores.jobs.get(streamId)).toMatchObject({ status: 'finished', fence: 2 });
      // Who comes back finds it done.
      prune();
      await settle();
      expect(await stores.jobs.get(streamId)).toMatchObject({ status: 'finished', fence: 2 });
    },
  );

  test('waits for its own process, which is still at it', async () => {
    const { streamId, conversationId } = await told();

    const starting = a.start({ conversationId });
    await settle();
    prune();
    const { status } = await starting;

    expect(status).toBe('started');
    expect(await stores.jobs.get(streamId)).toMatchObject({ status: 'finished', fence: 1 });
  });

  test('without one is refused at once: it is busy', async () => {
    const { conversationId } = await a.start();
    await expect(b.start({ conversationId })).rejects.toMatchObject({ code: 'CONVERSATION_BUSY' });
  });
});
