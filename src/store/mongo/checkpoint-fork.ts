import { z } from 'zod';
import { unavailable } from '../../errors.ts';
import type { CheckpointCollections } from './checkpoint-collections.ts';
import { documentId, type CheckpointDocument } from './checkpoint-documents.ts';
import type { MongoConnection } from './connection.ts';

/** How often a thread is read again that somebody is still writing. */
const ATTEMPTS = 8;

const placed = z.looseObject({
  _id: z.string(),
  checkpoint_ns: z.string(),
  checkpoint_id: z.string(),
});
type Placed = z.output<typeof placed>;

interface Snapshot {
  checkpoints: CheckpointDocument[];
  writes: Placed[];
}

/** The newest checkpoint of every namespace, and with it those that it can't be read without. */
export function newestOnly<T extends Pick<CheckpointDocument, 'checkpoint_ns' | 'order' | 'alone'>>(
  documents: readonly T[],
): T[] {
  const namespaces = new Set(documents.map((document) => document.checkpoint_ns));
  return [...namespaces].flatMap((namespace) => {
    const all = documents.filter((document) => document.checkpoint_ns === namespace);
    const newest = all.reduce((a, b) => (b.order > a.order ? b : a));
    return newest.alone ? [newest] : all;
  });
}

const idsOf = (documents: readonly { _id: string }[]): string =>
  documents
    .map(({ _id }) => _id)
    .toSorted()
    .join();

export interface ForkDeps {
  mongo: MongoConnection;
  collections: CheckpointCollections;
  keepHistory: boolean;
}

/**
 * Reads a thread as it was at one moment: a step that ends meanwhile stores its checkpoint before it deletes what the
 * one before it had written, so nothing is missing where the checkpoints are still the same after all was read.
 */
async function snapshot({ mongo, collections }: ForkDeps, thread: string): Promise<Snapshot> {
  const at = { thread_id: thread };
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const checkpoints = await mongo.run(() => collections.checkpoints.find(at).toArray());
    const writes = await mongo.run(() => collections.writes.find(at).toArray());
    const after = await mongo.run(() =>
      collections.checkpoints.find(at).project<{ _id: string }>({ _id: 1 }).toArray(),
    );
    if (idsOf(checkpoints) === idsOf(after)) {
      return { checkpoints, writes: writes.map((document) => placed.parse(document)) };
    }
  }
  throw unavailable(new Error('a thread is being written all the time'));
}

/** The same document in another thread. */
function inThread<T extends { _id: string }>(document: T, thread: string): T {
  const { _id: id } = document;
  const [, ...rest] = z.array(z.string()).parse(JSON.parse(id));
  return { ...document, _id: documentId(thread, ...rest), thread_id: thread };
}

/**
 * Makes `to` a copy of what a run needs of `from`; returns the orders that it has. A thread exists once its root
 * checkpoint does, so that one goes first when the old copy is removed and comes last of the new one: whoever looks
 * in between, or after a crash, sees no thread.
 */
export async function copyThread(deps: ForkDeps, from: string, to: string): Promise<number[]> {
  const { mongo, collections } = deps;
  const source = await snapshot(deps, from);
  const kept = deps.keepHistory ? source.checkpoints : newestOnly(source.checkpoints);
  const named = new Set(kept.map((at) => documentId(at.checkpoint_ns, at.checkpoint_id)));
  const writes = source.writes.filter((at) =>
    named.has(documentId(at.checkpoint_ns, at.checkpoint_id)),
  );
  await collections.deleteThreads(to);
  for (const document of writes) {
    const { _id, ...rest } = inThread(document, to);
    await mongo.run(() => collections.writes.replaceOne({ _id }, rest, { upsert: true }));
  }
  const inner = kept.filter((document) => document.checkpoint_ns !== '');
  const root = kept
    .filter((document) => document.checkpoint_ns === '')
    .toSorted((a, b) => a.order - b.order);
  for (const document of [...inner, ...root]) await collections.put(inThread(document, to));
  return kept.map(({ order }) => order);
}
