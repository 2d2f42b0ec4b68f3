import { expect } from '@jest/globals';
import { ledgerLines } from './race-client.ts';

const UNSAFE = new Set(['send_email', 'delete_file']);

/** I5: an unsafe call ran once by itself, and once more for each time that a person said `retry` (`retried`: its id). */
export function expectUnsafeOnce(
  ledger: string,
  { generationId, retried }: { generationId: string; retried: readonly string[] },
): void {
  const counts = new Map<string, number>();
  for (const line of ledgerLines(ledger)) {
    if (line.generationId !== generationId || !UNSAFE.has(line.name)) continue;
    counts.set(line.toolCallId, (counts.get(line.toolCallId) ?? 0) + 1);
  }
  for (const [id, count] of counts) {
    const most = 1 + retried.filter((it) => it === id).length;
    expect({ id, count, within: count <= most }).toEqual({ id, count, within: true });
  }
}
