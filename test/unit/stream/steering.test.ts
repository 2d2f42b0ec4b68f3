import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Started, StartRequest } from '../../../src/stream/generations.ts';
import type { MessagePart } from '../../../src/stream/message.ts';
import { settle } from '../../support/fake-clock.ts';
import { stateOf } from '../../support/frames.ts';
import { ALICE, BOB, closeStores, Heart, memoryStores, type Stores } from '../../support/heart.ts';
import type { ScriptedRun } from '../../support/scripted-runner.ts';

/** A message that comes while an answer is being made (T18). */

let stores: Stores;
let heart: Heart;
let other: Heart;

beforeEach(() => {
  stores = memoryStores();
  heart = new Heart(stores);
  other = new Heart(stores, { driver: 'b' });
});

afterEach(async () => {
  await heart.close();
  await other.close();
  closeStores(stores);
});

async function steer(
  { conversationId }: Pick<Started, 'conversationId'>,
  messageId: string,
  { by = heart, ...over }: Partial<StartRequest> & { by?: Heart } = {},
): Promise<Started> {
  const text = `say ${messageId}`;
  return by.start({ conversationId, messageId, text, onBusy: 'steer', ...over });
}

/** By generation: what its checkpoint would have. */
const heard = new Map<string, Set<string>>();

/** As an engine does before its next model call. */
async function hear(run: ScriptedRun): Promise<string[]> {
  const { generationId } = run.request;
  const known = heard.get(generationId) ?? new Set();
  heard.set(generationId, known);
  const steers = await run.request.steers();
  for (const { messageId, text } of steers) {
    if (known.has(messageId)) continue;
    known.add(messageId);
    const body = { type: 'steered', part: run.part, messageId, text, heard: true } as const;
    run.part += 1;
    run.push({ type: 'event', body });
  }
  await settle();
  return steers.map(({ messageId }) => messageId);
}

async function end(run: ScriptedRun): Promise<void> {
  run.end();
  await settle();
}

async function contentOf(conversationId: string): Promise<unknown> {
  return (await stores.conversations.lastMessage(conversationId))?.content;
}

const heardPart = (messageId: string, heard = true): object => {
  return { type: 'steered', messageId, text: `say ${messageId}`, heard };
};

describe('a message that steers', () => {
  test('is heard by the answer that is being made, and is a part of it', async () => {
    const first = await heart.start();
    const reader = await heart.read(first.streamId);
    const run = heart.runner.last;
    run.say('one');
    await settle();

    const told = await steer(first, 's1');
    const unheard = await heart.api.status(ALICE, first.conversationId);
    run.part = 1;
    expect(await hear(run)).toEqual(['s1']);
    run.say('two');
    await settle();
    const known = await heart.api.status(ALICE, first.conversationId);
    await end(run);

    expect(told).toEqual({ ...first, messageId: 's1', status: 'steered' });
    expect(unheard.generation?.unheard).toEqual([{ messageId: 's1', text: 'say s1' }]);
    expect(known.generation?.unheard).toBeUndefined();
    expect(reader.types.at(-1)).toBe('done');
    expect(stateOf(reader.frames).message.content).toEqual(await contentOf(first.conversationId));
    expect(await contentOf(first.conversationId)).toMatchObject([
      { text: 'one' },
      heardPart('s1'),
      { text: 'two' },
    ]);
    expect(heart.runner.runs).toHaveLength(1);
  });

  test('that comes when the agent is through is heard by the next driver', async () => {
    const first = await heart.start();
    const reader = await heart.read(first.streamId);
    heart.runner.last.say('one');
    await settle();
    const { generationId } = first;
    const call = { call: 'm0', reasoning: '', text: 'one', toolCalls: [] };
    const standing = { resumable: true, calls: [call], results: [], steered: [] };
    heart.runner.standing.set(generationId, standing);

    await steer(first, 's1');
    await end(heart.runner.last);

    expect(heart.runner.runs).toHaveLength(2);
    expect(heart.runner.last.request.entry).toEqual({ kind: 'continue' });
    expect(await hear(heart.runner.last)).toEqual(['s1']);
    await end(heart.runner.last);
    expect(await contentOf(first.conversationId)).toMatchObject([{ text: 'one' }, heardPart('s1')]);
    expect(reader.types.filter((type) => type === 'done')).toHaveLength(1);
    expect(await stores.jobs.get(generationId)).toMatchObject({
      outcome: 'completed',
      attempts: 0,
    });
  });

  test('to an answer that waits for its turn, or for a person, is there when it goes on', async () => {
    const small = new Heart(stores, { maxConcurrentRuns: 1 });
    await small.start();
    const first = await small.start();
    expect(first.status).toBe('queued');
    expect(await steer(first, 's1', { by: small })).toMatchObject({ status: 'steered' });
    await end(small.runner.last);

    const run = [small, heart].flatMap(({ runner }) => runner.runs).at(-1);
    if (!run) throw new Error('nobody drives it');
    expect(await hear(run)).toEqual(['s1']);
    run.push({
      type: 'pause',
      pause: {
        kind: 'ask_user_question',
        interruptId: 'i1',
        questions: [{ id: 'q', question: 'Which?' }],
      },
    });
    await settle();
    expect(await steer(first, 's2')).toMatchObject({ status: 'steered' });
    const status = await heart.api.status(ALICE, first.conversationId);
    expect(status.generation).toMatchObject({ status: 'paused', unheard: [{ messageId: 's2' }] });
    await small.close();
  });

  test.each(['abort', 'fail'] as const)('is kept where the answer ends by %s', async (how) => {
    const first = await heart.start();
    const reader = await heart.read(first.streamId);
    await steer(first, 's1');
    await hear(heart.runner.last);
    await steer(first, 's2');
    if (how === 'abort') await heart.api.abort(ALICE, { generationId: first.generationId });
    else heart.runner.last.fail(new Error('broken'));
    await settle();

    const kept = [heardPart('s1'), heardPart('s2', false)];
    expect(await contentOf(first.conversationId)).toMatchObject(kept);
    expect(stateOf(reader.frames).message.content).toMatchObject(kept);
  });

  test('begins a turn where nothing runs', async () => {
    const first = await heart.start();
    await end(heart.runner.last);

    expect(await steer(first, 's1')).toMatchObject({ status: 'started', messageId: 's1' });
    expect(heart.runner.runs).toHaveLength(2);
  });

  test('is heard once, whoever sends it again and when', async () => {
    const first = await heart.start();
    const all = await Promise.all(
      [heart, other, heart, other].map((by) => steer(first, 's1', { by })),
    );
    const late = await steer(first, 's1', { onBusy: 'enqueue' });
    await hear(heart.runner.last);
    await end(heart.runner.last);
    const after = await steer(first, 's1');

    expect(all.filter(({ status }) => status === 'steered')).toHaveLength(1);
    for (const answer of [...all, late, after]) {
      expect({ ...answer, status: '' }).toEqual({ ...first, messageId: 's1', status: '' });
    }
    expect(after.status).toBe('attached');
    expect(await contentOf(first.conversationId)).toMatchObject([heardPart('s1')]);
    expect(await stores.jobs.allOf(first.conversationId)).toHaveLength(1);
  });

  test('with the key of another one is refused', async () => {
    const first = await heart.start();
    await steer(first, 's1');

    await expect(steer(first, 's1', { bodyHash: 'other' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
    });
  });

  test('to a conversation of somebody else finds nothing', async () => {
    const first = await heart.start();

    const theirs = { ...first, text: 'x', onBusy: 'steer' as const };
    await expect(heart.start(theirs, BOB)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect((await stores.jobs.get(first.generationId))?.steers).toBeUndefined();
  });

  test('that is more than words waits its turn', async () => {
    const first = await heart.start();
    const edit = await steer(first, 's1', { parentMessageId: null });
    const many = [];
    for (let n = 0; n < 21; n += 1) many.push((await steer(first, `n${n}`)).status);

    expect(edit.status).toBe('queued');
    expect(many).toEqual([...Array.from({ length: 20 }, () => 'steered'), 'queued']);
  });
});

test('many messages at once from two replicas, while the answer ends: each is in one answer, once', async () => {
  const rounds = Number(process.env['STEER_ROUNDS'] ?? 20);
  for (let round = 0; round < rounds; round += 1) {
    const first = await heart.start();
    const run = heart.runner.last;
    heart.runner.onRun = (next) => {
      void hear(next).then(() => next.end());
    };
    const ids = Array.from({ length: 6 }, (_, n) => `r${round}n${n}`);
    const sent = ids.map(async (id, n) => {
      for (let turns = 0; turns < (n * round) % 7; turns += 1) await Promise.resolve();
      return steer(first, id, { by: n % 2 === 0 ? heart : other });
    });
    run.end();
    const answers = await Promise.all(sent);
    other.runner.onRun = heart.runner.onRun;
    await settle();

    const said = [];
    for (const { responseMessageId } of await jobsOf(first.conversationId)) {
      const message = await stores.conversations.message(first.conversationId, responseMessageId);
      expect(message?.status).toBe('complete');
      said.push(...steeredParts(message?.content ?? []));
    }
    const turns = answers.filter(({ status }) => status === 'started' || status === 'queued');
    expect([...said, ...turns.map(({ messageId }) => messageId)].toSorted()).toEqual(
      ids.toSorted(),
    );
    heart.runner.onRun = undefined;
    other.runner.onRun = undefined;
  }
});

function steeredParts(content: readonly MessagePart[]): string[] {
  return content.flatMap((part) => (part.type === 'steered' ? [part.messageId] : []));
}

async function jobsOf(conversationId: string): Promise<{ responseMessageId: string }[]> {
  return (await stores.jobs.allOf(conversationId)).map(({ input }) => input);
}
