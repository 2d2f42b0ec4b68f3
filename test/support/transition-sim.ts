import { expect } from '@jest/globals';
import type { Job } from '../../src/stream/job.ts';
import { transition } from '../../src/stream/transition.ts';
import type { Command, Refusal } from '../../src/stream/transition-command.ts';

/** The moved job, after checking that the version rose by one and the record that was given is untouched. */
export function moved(job: Job, command: Command): Job {
  const before = structuredClone(job);
  const outcome = transition(job, command);

  expect(job).toEqual(before);
  if (outcome.outcome === 'refused') throw new Error(`refused: ${outcome.reason}`);
  expect(outcome.job.version).toBe(job.version + 1);
  return outcome.job;
}

export const refusal = (job: Job, command: Command): Refusal | 'moved' => {
  const outcome = transition(job, command);
  return outcome.outcome === 'refused' ? outcome.reason : 'moved';
};

/** `job` with other values and the next version, as the whole record that must come out. */
export const like = (job: Job, change: object): object => ({
  ...job,
  version: job.version + 1,
  ...change,
});

/** The fields that only the state has that is left. */
function without(job: Job, ...keys: string[]): object {
  return Object.fromEntries(Object.entries(job).filter(([key]) => !keys.includes(key)));
}

export const nextFrom = (job: Job, gone: string[], change: object): object => ({
  ...without(job, ...gone),
  version: job.version + 1,
  ...change,
});
