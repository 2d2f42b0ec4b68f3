import type { PendingWrite } from '@langchain/langgraph-checkpoint';
import { isRecord } from './chunk-content.ts';

/** How many answers a step had had when it asked; kept with its question in the checkpoint. */
const KEY = 'holdfast_asked_after';

/**
 * Marks the questions among a step's writes. LangGraph keeps a question until the step writes something else, and the
 * step's answers beside it: without the mark nobody could tell one that is answered from the next one of the step,
 * which has the same id.
 */
export function withAskedAfter(writes: PendingWrite[]): PendingWrite[] {
  if (!writes.some(([channel]) => channel === '__interrupt__')) return writes;
  const after = writes
    .filter(([channel]) => channel === '__resume__')
    .reduce((most, [, answers]) => Math.max(most, Array.isArray(answers) ? answers.length : 1), 0);
  return writes.map((write): PendingWrite => {
    const [channel, value] = write;
    if (channel !== '__interrupt__' || !isRecord(value)) return write;
    return [channel, { ...value, [KEY]: after }];
  });
}

/** Undefined: it was not marked. */
export function askedAfter(note: unknown): number | undefined {
  const after = isRecord(note) ? note[KEY] : undefined;
  return typeof after === 'number' ? after : undefined;
}
