import { expect, test } from '@jest/globals';
import { ALICE, aRequest, closeStores, Heart, memoryStores } from '../support/heart.ts';
import { dawdle, Gauge, jitteredStores } from '../support/race-stores.ts';
import { seeded } from '../support/random.ts';

const ROUNDS = 200;

/** One process, a store that takes a while, and a stop in the middle of a sentence. */
async function stopWhileItSpeaks(seed: number): Promise<{ types: string[]; text: string }> {
  const random = seeded(seed);
  const gauge = new Gauge();
  const stores = memoryStores();
  const heart = new Heart(stores, {}, jitteredStores(stores, random.between(1, 2 ** 30), gauge));
  try {
    const { generationId } = await heart.api.start(ALICE, aRequest());
    await gauge.quiet();
    const reader = await heart.read(generationId);
    for (let word = 0; word < 5; word += 1) heart.runner.last.say(`${word}`);
    await dawdle(random, 10);
    await heart.api.abort(ALICE, { generationId });
    await gauge.quiet();
    const { frames, types } = reader;
    reader.close();
    const texts = frames.filter(({ event }) => event === 'text_delta');
    return { types, text: texts.map(({ data }) => String(data['text'])).join('') };
  } finally {
    await heart.close();
    closeStores(stores);
  }
}

test('what readers saw of a run that is stopped in its own process stays: it is stored first', async () => {
  const spoken = new Set<string>();
  for (let seed = 1; seed <= ROUNDS; seed += 1) {
    const { types, text } = await stopWhileItSpeaks(seed);
    const round = { seed, types };
    expect(round).toEqual({ seed, types: expect.not.arrayContaining(['reset']) });
    expect(types.at(-1)).toBe('done');
    spoken.add(text);
  }
  expect(spoken).toContain('01234');
});
