import { randomUUID } from 'node:crypto';
import { unavailable } from '../../errors.ts';
import type { Change, ChangeResult, StoreResult } from '../../stream/job-store.ts';
import { keyText } from '../key-text.ts';
import { jobIn, updateTo } from './job-document.ts';
import type { JobTable, Replacement, WrittenDocument } from './job-table.ts';

/**
 * Many compare-and-sets in one write. The server says only how many found their document. If that is not all of them,
 * the documents are looked at: each has the name of the last such write to it, and nobody else's write takes it away.
 */

type One = (change: Change) => Promise<StoreResult>;

interface Write extends Replacement {
  /** Place among the changes. */
  at: number;
  change: Change;
}

type Settled = readonly [at: number, result: ChangeResult];

export async function setAll(
  table: JobTable,
  changes: readonly Change[],
  one: One,
): Promise<ChangeResult[]> {
  const { writes, settled } = prepared(changes);
  if (writes.length > 0) {
    const { matched, failed } = await table.replaceAll(writes);
    const alone = writes.filter((_, place) => failed.has(place));
    const others = writes.filter((_, place) => !failed.has(place));
    settled.push(...(await found(table, others, matched)));
    // Nothing was written of them: by itself each finds out why, or is stored now.
    settled.push(...(await Promise.all(alone.map(({ at, change }) => tried(at, one(change))))));
  }
  const results: ChangeResult[] = [];
  for (const [at, result] of settled) results[at] = result;
  return results;
}

/** What can't be written at all, as it has become too large, is settled already. */
function prepared(changes: readonly Change[]): { writes: Write[]; settled: Settled[] } {
  const name = randomUUID();
  const writes: Write[] = [];
  const settled: Settled[] = [];
  for (const [at, change] of changes.entries()) {
    const { next, expected } = change;
    try {
      const { $set, $unset } = updateTo(next);
      const update = { $set: { ...$set, batch: `${name}:${at}` }, $unset };
      writes.push({ at, change, id: keyText(next.generationId), expected, update });
    } catch (error) {
      settled.push([at, { outcome: 'failed', error }]);
    }
  }
  return { writes, settled };
}

async function found(table: JobTable, writes: Write[], matched: number): Promise<Settled[]> {
  if (matched === writes.length) return writes.map(({ at }) => [at, { outcome: 'stored' }]);
  const there = await table.written(writes.map(({ id }) => id));
  const isOurs = ({ id, update }: Write): boolean => there.get(id)?.batch === update.$set.batch;
  const others = writes.filter((write) => !isOurs(write));
  // Written by us, and since then deleted, or written by many once more.
  const hidden = matched - (writes.length - others.length);
  const maybe = others.filter(({ id, change }) => isPast(there.get(id), change));
  return writes.map((write) => {
    if (isOurs(write) || (maybe.includes(write) && hidden === maybe.length)) {
      return [write.at, { outcome: 'stored' }];
    }
    if (maybe.includes(write) && hidden > 0) {
      const error = unavailable(new Error(`nobody knows what became of a write to ${write.id}`));
      return [write.at, { outcome: 'failed', error }];
    }
    const document = there.get(write.id);
    return [write.at, { outcome: 'stale', current: document && jobIn(document) }];
  });
}

/** Could the change have been written before what is there now? */
function isPast(document: WrittenDocument | undefined, { next }: Change): boolean {
  return document === undefined || document.version > next.version;
}

async function tried(at: number, result: Promise<StoreResult>): Promise<Settled> {
  try {
    return [at, await result];
  } catch (error) {
    return [at, { outcome: 'failed', error }];
  }
}
