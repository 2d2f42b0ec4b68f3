import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LocalHintBus } from '../../../src/store/memory/index.ts';
import type { Hint, Hints } from '../../../src/stream/hints.ts';
import { settle } from '../../support/fake-clock.ts';
import {
  ALICE,
  closeStores,
  Heart,
  memoryStores,
  type Stores,
  type TestReader,
} from '../../support/heart.ts';

/** Deltas that reach readers on another replica before they are durable. */

/** Decides what becomes of each message: how often it is delivered. */
let deliver = (_hint: Hint): number => 1;

class LossyBus extends LocalHintBus {
  override connect(replicaId?: string): Hints {
    const hints = super.connect(replicaId);
    return {
      ...hints,
      tell(to, hint) {
        for (let times = deliver(hint); times > 0; times -= 1) hints.tell(to, hint);
      },
    };
  }
}

let stores: Stores;
/** Lets the appends through that `holdAppends` held. */
let letGo = (): void => {};
let a: Heart;
let b: Heart;

beforeEach(() => {
  deliver = () => 1;
  stores = { ...memoryStores(), hints: new LossyBus() };
  a = new Heart(stores, { driver: 'a' });
  b = new Heart(stores, { driver: 'b' });
});

afterEach(async () => {
  letGo();
  await a.close();
  await b.close();
  closeStores(stores);
});

const durable = async (id: string): Promise<number> => (await stores.transport.info(id))?.head ?? 0;

function words(reader: TestReader): string {
  return reader.frames
    .flatMap(({ event, data }) => (event === 'text_delta' ? [String(data['text'])] : []))
    .join(' ');
}

/** What the driver of that fence appends from now on does not arrive. */
function holdAppends(fence: number): void {
  const append = stores.transport.append.bind(stores.transport);
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  stores.transport.append = async (batch) => {
    if (batch.fence === fence) await held;
    return append(batch);
  };
}

/** A turn on one replica, and a reader on the other one who has its first word. */
async function readElsewhere(): Promise<{ streamId: string; reader: TestReader }> {
  const { streamId } = await a.start();
  const reader = await b.read(streamId);
  a.runner.last.say('one');
  await stores.clock.advance(100);
  return { streamId, reader };
}

describe('a reader on another replica', () => {
  test('of a replica that does not ask for them has words once they are stored', async () => {
    const plain = new Heart(stores, { driver: 'c', earlyDeltas: false });
    const { streamId } = await a.start();
    const reader = await plain.read(streamId);
    const early = await b.read(streamId);
    a.runner.last.say('one');
    await stores.clock.advance(50);
    expect({ here: words(reader), there: words(early) }).toEqual({ here: '', there: 'one' });

    await stores.clock.advance(100);
    expect(words(reader)).toBe('one');
    await plain.close();
  });

  test('has a word within milliseconds, before it is durable, and only once', async () => {
    const { streamId, reader } = await readElsewhere();
    const before = await durable(streamId);
    a.runner.last.say('two', 'three');
    await stores.clock.advance(6);

    expect(words(reader)).toBe('one two three');
    expect(await durable(streamId)).toBe(before);

    a.runner.last.end();
    await stores.clock.advance(100);

    expect(words(reader)).toBe('one two three');
    expect(reader.types.at(-1)).toBe('done');
    expect(reader.types).not.toContain('reset');
    const sequence = reader.frames.map(({ data }) => data.seq);
    expect(sequence).toEqual(sequence.map((_each, index) => index + 1));
  });

  test('who comes by a third replica has with the next word what came before it and is not stored', async () => {
    const { streamId, reader } = await readElsewhere();
    a.runner.last.say('two');
    await stores.clock.advance(6);
    const third = new Heart(stores, { driver: 'c' });
    const late = await third.read(streamId);
    await stores.clock.advance(2);
    a.runner.last.say('three');
    await stores.clock.advance(6);

    expect({ first: words(reader), late: words(late) }).toEqual({
      first: 'one two three',
      late: 'one two three',
    });
    await third.close();
  });

  test('who comes later has it from the same memory, and goes on', async () => {
    const { streamId } = await readElsewhere();
    a.runner.last.say('two');
    await stores.clock.advance(6);
    const late = await b.read(streamId);
    const again = await b.read(streamId, { cursor: late.lastId });
    a.runner.last.say('three');
    await stores.clock.advance(6);

    expect(late.frames.map(({ data }) => data['text']).filter(Boolean)).toEqual([
      'onetwo',
      'three',
    ]);
    expect(words(again)).toBe('three');
  });

  test.each([
    ['lost', 0],
    ['doubled', 2],
  ])('misses nothing where they are %s', async (_name, times) => {
    deliver = () => times;
    const { reader } = await readElsewhere();
    a.runner.last.say('two');
    await stores.clock.advance(6);
    a.runner.last.say('three');
    await stores.clock.advance(100);

    expect(words(reader)).toBe('one two three');
  });

  test('where the first is lost: the rest waits for what comes between', async () => {
    const { reader } = await readElsewhere();
    deliver = () => 0;
    a.runner.last.say('two');
    await stores.clock.advance(6);
    deliver = () => 1;
    a.runner.last.say('three');
    await stores.clock.advance(6);
    const early = words(reader);
    await stores.clock.advance(100);

    expect(early).toBe('one');
    expect(words(reader)).toBe('one two three');
  });

  test('is told by a reset where they never became durable', async () => {
    const { streamId, reader } = await readElsewhere();
    holdAppends(1);
    a.runner.last.say('two', 'three');
    await stores.clock.advance(6);
    const seen = words(reader);
    await b.api.abort(ALICE, { generationId: streamId });
    await settle();
    await stores.clock.advance(100);

    expect(seen).toBe('one two three');
    expect(reader.types.slice(-2)).toEqual(['reset', 'done']);
    expect(JSON.stringify(reader.frames.at(-2)?.data['state'])).not.toContain('two');
  });

  test('all logs of a turn come in one message, and the next one 2 ms later', async () => {
    await readElsewhere();
    const { streamId } = await a.start({ text: 'x' });
    const second = await b.read(streamId);
    const sent: number[] = [];
    deliver = (hint) => {
      if (hint.type === 'previews') sent.push(hint.logs.length);
      return 1;
    };
    await stores.clock.advance(10);
    const [one, two] = a.runner.runs;
    one?.say('a');
    two?.say('b');
    await settle();
    const first = [...sent];
    one?.say('c');
    await settle();
    two?.say('d');
    await settle();
    const meanwhile = [...sent];
    await stores.clock.advance(2);

    expect(first).toEqual([2]);
    expect(meanwhile).toEqual([2]);
    expect(sent).toEqual([2, 2]);
    expect(words(second)).toBe('b d');
  });

  test('a replica without readers is sent nothing', async () => {
    let sent = 0;
    deliver = () => {
      sent += 1;
      return 1;
    };
    await a.start();
    a.runner.last.say('one', 'two');
    await stores.clock.advance(100);

    expect(sent).toBe(0);
  });

  test('who left for long is told no more', async () => {
    const { reader } = await readElsewhere();
    reader.close();
    let sent = 0;
    deliver = () => {
      sent += 1;
      return 1;
    };
    await stores.clock.advance(45_000);
    // Somebody else says that it follows something: a time to forget.
    const other = await b.start();
    await a.read(other.streamId);
    const elsewhere = await a.start({ text: 'x' });
    await b.read(elsewhere.streamId);
    sent = 0;
    a.runner.runs[0]?.say('two');
    await stores.clock.advance(10);

    expect(sent).toBe(0);
  });
});
