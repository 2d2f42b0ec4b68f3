import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import type { FileStore, NewFile } from '../../src/files/file-store.ts';
import { ODD } from './approval-store-kit.ts';

/** What every `FileStore` must do (src/files/file-store.ts), whatever keeps it. */

export interface FileStoreFixture {
  files: FileStore;
  /** A store on the same place that breaks at the nth step of its work; how it broke is its own business. */
  breaking(step: number): FileStore;
  /** Time passes until the dead are taken for dead. */
  later(): Promise<void>;
  /** What bytes there are, whosesoever. */
  blobs(): Promise<number>;
  destroy(): void | Promise<void>;
}

export interface FileStoreSuite {
  name: string;
  create: () => FileStoreFixture | Promise<FileStoreFixture>;
  /** Steps of one put, at least. */
  steps: number;
}

const ANN = { tenantId: 't', userId: 'ann' };
const BOB = { tenantId: 't', userId: 'bob' };
const MUCH = { files: 1_000, bytes: 1e9 };
const at = (n: number): string => new Date(1_700_000_000_000 + n * 1000).toISOString();

function aFile(n: number, more: Partial<NewFile> = {}): NewFile {
  return {
    fileId: `file_${n}`,
    owner: ANN,
    name: `n${n}.txt`,
    mediaType: () => 'text/plain',
    createdAt: at(n),
    origin: 'upload',
    conversationId: null,
    ...more,
  };
}

async function* from(...pieces: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece);
}

async function* broken(piece: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(piece);
  throw new Error('the client left');
}

async function bytesOf(source: AsyncIterable<Uint8Array> | undefined): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source ?? []) pieces.push(piece);
  return Buffer.concat(pieces);
}

const PAGE = { limit: 10, cursor: undefined };

export function describeFileStore({ name, create, steps }: FileStoreSuite): void {
  describe(`FileStore: ${name}`, () => {
    let fixture: FileStoreFixture;
    const now = {
      get files() {
        return fixture.files;
      },
      get fixture() {
        return fixture;
      },
    };

    beforeEach(async () => {
      fixture = await create();
    });

    afterEach(async () => {
      await fixture.destroy();
    });

    describePut(now);
    describeReading(now);
    describeDeletion(now);
    describeFaults(now, steps);
  });
}

interface UnderTest {
  readonly files: FileStore;
  readonly fixture: FileStoreFixture;
}

const idsOf = async (files: FileStore, owner = ANN): Promise<string[]> =>
  (await files.list(owner, PAGE)).items.map(({ fileId }) => fileId);

function describePut(it: UnderTest): void {
  test('a file is kept as it was put, with its size and hash', async () => {
    const file = aFile(1, { name: ODD.join(' '), conversationId: 'conv', origin: 'artifact' });

    const put = await it.files.put(file, from('hello ', 'world'), MUCH);

    const sha256 = createHash('sha256').update('hello world').digest('hex');
    const { mediaType: _type, ...rest } = file;
    const whole = { ...rest, mediaType: 'text/plain', size: 11, sha256, lastUsedAt: at(1) };
    expect(put).toEqual({ outcome: 'stored', file: whole });
    expect(await it.files.get('file_1')).toEqual(whole);
    expect(String(await bytesOf(await it.files.open('file_1')))).toBe('hello world');
  });

  test('its media type is asked for when the bytes are read', async () => {
    let read = false;
    const bytes = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('x');
      read = true;
    };

    const put = await it.files.put(
      aFile(1, { mediaType: () => `text/${String(read)}` }),
      bytes(),
      MUCH,
    );

    expect(put).toMatchObject({ file: { mediaType: 'text/true' } });
  });

  test('an empty file is a file', async () => {
    await it.files.put(aFile(1), from(), MUCH);

    expect(await it.files.get('file_1')).toMatchObject({ size: 0 });
    expect(await bytesOf(await it.files.open('file_1'))).toHaveLength(0);
  });

  test('a second one of the same id changes nothing', async () => {
    await it.files.put(aFile(1), from('first'), MUCH);

    const second = await it.files.put(aFile(1, { name: 'other' }), from('second'), MUCH);

    expect(second).toMatchObject({ outcome: 'known', file: { name: 'n1.txt', size: 5 } });
    expect(String(await bytesOf(await it.files.open('file_1')))).toBe('first');
    expect(await it.fixture.blobs()).toBe(1);
  });

  test('two of one id at once are one file, and nothing of the other is left', async () => {
    const puts = await Promise.allSettled(
      ['a', 'b', 'c'].map((text) => it.files.put(aFile(1), from(text), MUCH)),
    );

    const outcomes = puts.map((put) =>
      put.status === 'fulfilled' ? put.value.outcome : 'rejected',
    );
    expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(1);
    const text = String(await bytesOf(await it.files.open('file_1')));
    expect(['a', 'b', 'c']).toContain(text);
    await it.fixture.later();
    await it.files.sweep();
    expect(await it.fixture.blobs()).toBe(1);
    expect(String(await bytesOf(await it.files.open('file_1')))).toBe(text);
  });

  test('nobody has more files or bytes than the quota, also with many at once', async () => {
    await Promise.all(
      [1, 2, 3, 4, 5, 6].map((n) =>
        it.files.put(aFile(n), from('12345'), { files: 3, bytes: 1e9 }),
      ),
    );
    const kept = await idsOf(it.files);
    expect(kept.length).toBeLessThanOrEqual(3);
    for (const id of kept) await it.files.delete(id);

    expect(await it.files.put(aFile(7), from('12345'), { files: 1, bytes: 5 })).toMatchObject({
      outcome: 'stored',
    });
    expect(await it.files.put(aFile(8), from('1'), { files: 9, bytes: 5 })).toEqual({
      outcome: 'full',
      of: 'bytes',
    });
    expect(await it.files.put(aFile(8), from('1'), { files: 1, bytes: 9 })).toEqual({
      outcome: 'full',
      of: 'files',
    });
    expect(await it.files.put(aFile(9, { owner: BOB }), from('1'), { files: 1, bytes: 5 })).toEqual(
      expect.objectContaining({ outcome: 'stored' }),
    );
    expect(await it.fixture.blobs()).toBe(2);
  });
}

function describeReading(it: UnderTest): void {
  test('large files come back byte for byte, in any range', async () => {
    const bytes = Buffer.alloc(600_000);
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = (i * 31 + (i >> 8)) & 255;
    // Pieces that fit no chunk.
    const pieces = [bytes.subarray(0, 1), bytes.subarray(1, 300_001), bytes.subarray(300_001)];
    await it.files.put(aFile(1), from(...pieces), MUCH);

    expect((await bytesOf(await it.files.open('file_1'))).equals(bytes)).toBe(true);
    for (const [first, last] of [
      [0, 0],
      [261_119, 261_120],
      [261_120, 522_240],
      [599_999, 599_999],
      [10, 599_998],
    ] as const) {
      const range = await bytesOf(await it.files.open('file_1', { first, last }));
      expect(range.equals(bytes.subarray(first, last + 1))).toBe(true);
    }
  });

  test('a file that is not there is undefined', async () => {
    expect(await it.files.get('file_0')).toBeUndefined();
    expect(await it.files.open('file_0')).toBeUndefined();
    expect(await it.files.delete('file_0')).toBe(false);
  });

  test('the list is of one owner, newest first, in pages', async () => {
    for (const n of [1, 3, 2]) await it.files.put(aFile(n), from('x'), MUCH);
    await it.files.put(aFile(4, { owner: BOB }), from('x'), MUCH);

    const first = await it.files.list(ANN, { limit: 2, cursor: undefined });
    const second = await it.files.list(ANN, { limit: 2, cursor: first.nextCursor ?? '' });

    expect(first.items.map(({ fileId }) => fileId)).toEqual(['file_3', 'file_2']);
    expect(second).toMatchObject({ items: [{ fileId: 'file_1' }], nextCursor: null });
    expect(await idsOf(it.files, BOB)).toEqual(['file_4']);
    await expect(it.files.list(ANN, { limit: 2, cursor: 'x' })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    });
  });

  test('use is remembered, and never goes back; the longest unused come first', async () => {
    for (const n of [1, 2, 3]) await it.files.put(aFile(n), from('x'), MUCH);
    await it.files.touch('file_1', at(20));
    await it.files.touch('file_1', at(10));
    await it.files.touch('file_0', at(10));

    expect(await it.files.get('file_1')).toMatchObject({ lastUsedAt: at(20), createdAt: at(1) });
    const unused = async (before: string, limit: number): Promise<string[]> =>
      (await it.files.unusedSince(before, limit)).map(({ fileId }) => fileId);
    expect(await unused(at(19), 10)).toEqual(['file_2', 'file_3']);
    expect(await unused(at(20), 2)).toEqual(['file_2', 'file_3']);
    expect(await unused(at(20), 10)).toEqual(['file_2', 'file_3', 'file_1']);
  });
}

function describeDeletion(it: UnderTest): void {
  test('a deleted file is gone with its bytes', async () => {
    await it.files.put(aFile(1), from('x'.repeat(300_000)), MUCH);

    expect(await it.files.delete('file_1')).toBe(true);

    expect(await it.files.get('file_1')).toBeUndefined();
    expect(await it.files.open('file_1')).toBeUndefined();
    expect(await idsOf(it.files)).toEqual([]);
    expect(await it.fixture.blobs()).toBe(0);
  });

  test('many deletions at once leave nothing, and nobody fails', async () => {
    await it.files.put(aFile(1), from('x'), MUCH);

    const done = await Promise.all([1, 2, 3, 4].map(() => it.files.delete('file_1')));

    expect(done).toContain(true);
    expect(await it.fixture.blobs()).toBe(0);
  });

  test('a deletion while it is read ends the reading or lets it end, and never changes its bytes', async () => {
    const text = 'x'.repeat(600_000);
    await it.files.put(aFile(1), from(text), MUCH);
    const source = await it.files.open('file_1');
    const reader = source?.[Symbol.asyncIterator]();
    await reader?.next();
    await it.files.delete('file_1');

    const rest: Uint8Array[] = [];
    const reading = (async () => {
      for (;;) {
        const next = await reader?.next();
        if (!next || next.done) return 'ended';
        rest.push(next.value);
      }
    })();

    expect(['ended', 'failed']).toContain(await reading.catch(() => 'failed'));
    expect(new Set(Buffer.concat(rest)).size).toBeLessThanOrEqual(1);
  });

  test('what was made in a conversation goes with it, and nothing else', async () => {
    for (const n of [1, 2]) await it.files.put(aFile(n, { conversationId: 'c' }), from('x'), MUCH);
    await it.files.put(aFile(3, { conversationId: 'd' }), from('x'), MUCH);
    await it.files.put(aFile(4), from('x'), MUCH);

    await it.files.deleteOfConversation('c');
    await it.files.deleteOfConversation('none');

    expect(await idsOf(it.files)).toEqual(['file_4', 'file_3']);
    expect(await it.fixture.blobs()).toBe(2);
  });
}

function describeFaults(it: UnderTest, steps: number): void {
  test('bytes that break off leave nothing', async () => {
    const long = 'x'.repeat(300_000);

    await expect(it.files.put(aFile(1), broken(long), MUCH)).rejects.toThrow('the client left');

    expect(await it.files.get('file_1')).toBeUndefined();
    expect(await it.fixture.blobs()).toBe(0);
    expect(await it.files.put(aFile(1), from('again'), MUCH)).toMatchObject({ outcome: 'stored' });
  });

  test('a store that breaks at any step shows a whole file or none, and a sweep removes the rest', async () => {
    for (let step = 1; step <= steps; step += 1) {
      const fileId = `file_s${step}`;
      const put = it.fixture.breaking(step).put(aFile(step, { fileId }), from('whole'), MUCH);
      await put.catch(() => undefined);
      const seen = await it.files.get(fileId);

      await it.fixture.later();
      await it.files.sweep();

      const left = await it.files.get(fileId);
      expect(left).toEqual(seen);
      const bytes = await it.files.open(fileId);
      expect(left ? String(await bytesOf(bytes)) : bytes).toBe(left ? 'whole' : undefined);
      expect(await it.fixture.blobs()).toBe(left ? 1 : 0);
      // Nothing that is not seen counts.
      const again = await it.files.put(aFile(step, { fileId }), from('whole'), {
        files: 1,
        bytes: 5,
      });
      expect(again.outcome).toBe(left ? 'known' : 'stored');
      await it.files.delete(fileId);
    }
  });

  test('a deletion that breaks at any step is completed, or did not happen', async () => {
    for (let step = 1; step <= steps; step += 1) {
      const fileId = `file_d${step}`;
      await it.files.put(aFile(step, { fileId }), from('whole'), MUCH);
      await it.fixture
        .breaking(step)
        .delete(fileId)
        .catch(() => undefined);

      await it.fixture.later();
      await it.files.sweep();

      const left = await it.files.get(fileId);
      expect(await it.fixture.blobs()).toBe(left ? 1 : 0);
      const bytes = await it.files.open(fileId);
      expect(left ? String(await bytesOf(bytes)) : bytes).toBe(left ? 'whole' : undefined);
      await it.files.delete(fileId);
    }
  });

  test('a sweep leaves those at work alone', async () => {
    let swept = -1;
    const bytes = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('first');
      swept = await it.files.sweep();
      yield Buffer.from(' second');
    };

    expect(await it.files.put(aFile(1), bytes(), MUCH)).toMatchObject({ outcome: 'stored' });

    expect(swept).toBe(0);
    expect(String(await bytesOf(await it.files.open('file_1')))).toBe('first second');
  });
}
