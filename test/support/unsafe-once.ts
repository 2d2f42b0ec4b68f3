import { expect } from '@jest/globals';
import { ledgerLines } from './race-client.ts';

const UNSAFE = new Set(['send_email', 'delete_file']);

/** I5: an unsafe call ran once by itself, and once more where a person said `retry` (`recovered`, by id of the call). */
export function expectUnsafeOnce(
  ledger: string,
  { generationId, recovered }: { generationId: string; recovered: ReadonlyMap<string, string> },
): void {
  const counts = new Map<string, number>();
  for (const line of ledgerLines(ledger)) {
    if (line.generationId !== generationId || !UNSAFE.has(line.name)) continue;
    counts.set(line.toolCallId, (counts.get(line.toolCallId) ?? 0) + 1);
  }
  for (const [id, count] of counts) {
    const most = recovered.get(id) === 'retry' ? 2 : 1;
    expect({ id, count, within: count <= most }).toEqual({ id, count, within: true });
  }
}
