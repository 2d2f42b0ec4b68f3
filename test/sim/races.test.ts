import { describe, expect, test } from '@jest/globals';
import { playRound } from '../support/race-round.ts';
import { RaceWorld } from '../support/race-world.ts';

/**
 * Everything that can come to a pause comes at once, at two replicas on one set of stores whose calls take a seeded
 * while. RACE_SEED and RACE_ROUNDS=1 play a failing round again.
 */

const ROUNDS = Number(process.env['RACE_ROUNDS'] ?? 80);
const SEED = Number(process.env['RACE_SEED'] ?? 1);

describe('whoever comes to a pause', () => {
  test(`has one winner in each of ${ROUNDS} races, and every loser is told`, async () => {
    const won = new Map<string, number>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const seed = SEED + round;
      try {
        const outcome = await playRound(new RaceWorld(seed));
        won.set(outcome, (won.get(outcome) ?? 0) + 1);
      } catch (error) {
        const why = error instanceof Error ? `${error.message}\n${String(error.cause)}` : '';
        throw new Error(`RACE_SEED=${seed} RACE_ROUNDS=1: ${why}`, { cause: error });
      }
    }
    if (ROUNDS < 100) return;
    // Each way to win was met often enough to mean something.
    for (const outcome of ['decided', 'aborted', 'expired', 'superseded'])
      expect(won.get(outcome)).toBeGreaterThan(ROUNDS / 60);
  }, 120_000);
});
