import type { Change } from '../stream/job-store.ts';

/** Throws where a change is none: whoever read version n writes n + 1. */
export function assertNext({ next, expected }: Change): void {
  if (next.version !== expected + 1) throw new Error('the version must rise by one');
}
