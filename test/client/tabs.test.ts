import { afterEach, describe, expect, test } from '@jest/globals';
import { Bell } from '../../client/bell.ts';
import { createChatClient } from '../../client/chat-client.ts';
import { type Place, type Step, step } from '../../client/frames.ts';
import { shareTabs, type Sharing } from '../../client/tabs.ts';
import type { StreamEvent } from '../../client/types.ts';
import { until } from '../integration/http/harness.ts';
import { fakeOrigin } from '../support/fake-tabs.ts';
import { HELLO, useScripted } from '../support/resumed.ts';
import { answer, silentAfter } from '../support/scripted-server.ts';

const NOWHERE: Place = { cursor: '', seq: 0, state: undefined };

const textOf = ({ state }: Place): string =>
  state?.message.content.map((part) => (part.type === 'text' ? part.text : '')).join('') ?? '';

/** The log of one generation: `created`, then words; each connection reads it from its cursor on. */
function aLog() {
  const bell = new Bell();
  const events: StreamEvent[] = [];
  const connections: string[] = [];
  const add = (body: object): void => {
    const seq = events.length + 1;
    events.push(JSON.parse(JSON.stringify({ seq, at: 'now', ...body })));
    bell.ring();
  };
  add({
    type: 'created',
    generationId: 'g1',
    conversationId: 'c1',
    responseMessageId: 'r1',
    userMessage: { messageId: 'm1' },
  });
  let failure: Error | undefined;
  async function* own(from: Place, signal: AbortSignal): AsyncGenerator<Step, void> {
    connections.push(from.cursor);
    let place = from;
    for (let at = Number(from.cursor); !signal.aborted;) {
      if (failure) throw failure;
      const event = events[at];
      if (event) {
        at += 1;
        const next = step(place, `${event.seq}`, event);
        place = next;
        yield next;
        if (event.type === 'done') return;
      } else await bell.next(signal);
    }
  }
  return {
    own,
    connections,
    say: (text: string) => add({ type: 'text_delta', part: 0, text }),
    add,
    end: () => add({ type: 'done', status: 'completed', message: { status: 'complete' } }),
    fail: (error: Error) => {
      failure = error;
      bell.ring();
    },
  };
}

/** A tab that reads until it is closed. */
function open(sharing: Sharing, from: Place = NOWHERE) {
  const abort = new AbortController();
  const seen: Place[] = [];
  const read = async (): Promise<void> => {
    for await (const place of shareTabs(sharing, from, abort.signal)) seen.push(place);
  };
  const over = read();
  return {
    seen,
    over,
    text: () => (seen.length > 0 ? textOf(seen[seen.length - 1] ?? NOWHERE) : ''),
    cursor: () => seen.at(-1)?.cursor,
    close: async () => {
      abort.abort();
      await over;
    },
  };
}

function aWorld(times: Pick<Sharing, 'answerMs' | 'quietMs'> = {}) {
  const origin = fakeOrigin();
  const log = aLog();
  return { origin, log, sharing: { ...origin, name: 'g1', own: log.own, ...times } };
}

describe('shareTabs', () => {
  test('many tabs, one connection: each sees every word, and all end', async () => {
    const { log, sharing, origin } = aWorld();
    const tabs = [open(sharing), open(sharing)];
    log.say('a ');
    await until(() => tabs.every((tab) => tab.text() === 'a '));
    tabs.push(open(sharing));
    log.say('b ');
    await until(() => tabs.every((tab) => tab.text() === 'a b '));
    log.say('c ');
    log.end();
    await Promise.all(tabs.map(({ over }) => over));

    expect(tabs.map((tab) => tab.text())).toEqual(['a b c ', 'a b c ', 'a b c ']);
    expect(tabs.map((tab) => tab.seen.at(-1)?.state?.status)).toEqual(tabs.map(() => 'completed'));
    expect(log.connections).toEqual(['']);
    await until(() => !origin.held('g1'));
  });

  test('the leader closes: the next one goes on from its own cursor, and nothing is seen twice', async () => {
    const { log, sharing } = aWorld();
    const [leader, next, third] = [open(sharing), open(sharing), open(sharing)];
    log.say('a ');
    await until(() => next.text() === 'a ' && third.text() === 'a ');
    await leader.close();
    log.say('b ');
    await until(() => next.text() === 'a b ' && third.text() === 'a b ');
    log.end();
    await Promise.all([next.over, third.over]);

    expect(log.connections).toEqual(['', '2']);
    expect(new Set(third.seen.map(({ cursor }) => cursor)).size).toBe(third.seen.length);
  });

  test('a follower with a gap asks for the state instead of folding what does not fit', async () => {
    const { log, sharing } = aWorld();
    const leader = open(sharing);
    log.say('a ');
    log.say('b ');
    await until(() => leader.text() === 'a b ');
    const lost = new sharing.Channel('g1');
    const notes: { kind: string }[] = [];
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- as the client does
    lost.onmessage = ({ data }: { data: { kind: string } }) => void notes.push(data);
    const follower = open(sharing);
    await until(() => follower.text() === 'a b ');
    const event = { type: 'text_delta', seq: 9, at: 'now', part: 0, text: 'of another place ' };
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    lost.postMessage({ kind: 'step', before: '7', cursor: '9', event });
    log.say('c ');
    await until(() => follower.text() === 'a b c ');
    lost.close();
    log.end();
    await Promise.all([leader.over, follower.over]);

    expect(follower.seen.map(textOf).join()).not.toContain('another');
    expect(notes.filter(({ kind }) => kind === 'ask')).toHaveLength(2);
    expect(log.connections).toEqual(['']);
  });

  test('what a follower has already is not taken back by a leader behind it; a reset is', async () => {
    const { log, sharing } = aWorld();
    const leader = open(sharing);
    log.say('a ');
    await until(() => leader.cursor() === '2');
    const state = leader.seen.at(-1)?.state;
    if (!state) throw new Error('no state');
    const ahead = open(sharing, { cursor: '3', seq: 3, state: { ...state, title: 'ahead' } });
    log.say('b ');
    log.say('c ');
    await until(() => ahead.cursor() === '4');
    expect(ahead.seen.every(({ state: later }) => later?.title === 'ahead')).toBe(true);

    const withdrawn = open(sharing, { cursor: '9', seq: 9, state: { ...state, title: 'gone' } });
    log.add({ type: 'reset', reason: 'epoch', upTo: 2, state });
    await until(() => ahead.text() === 'a ' && ahead.seen.at(-1)?.state?.title === undefined);
    await until(() => withdrawn.cursor() === '5');
    expect(withdrawn.seen.map(textOf)).toEqual(['a ']);
    log.end();
    await Promise.all([leader.over, ahead.over, withdrawn.over]);
    expect(log.connections).toEqual(['']);
  });

  test('a leader that does not answer is passed by, by who joins and by who follows', async () => {
    const { log, sharing, origin } = aWorld({ answerMs: 20, quietMs: 20 });
    const leader = open(sharing);
    await until(() => leader.cursor() === '1');
    origin.deafen();
    const joins = open(sharing);
    await until(() => joins.cursor() === '1');
    expect(log.connections).toEqual(['', '']);
    log.end();
    await Promise.all([leader.over, joins.over]);

    // Long enough for a leader that is there to answer on a slow machine.
    const again = aWorld({ answerMs: 500, quietMs: 20 });
    const frozen = open(again.sharing);
    await until(() => frozen.cursor() === '1');
    const follows = open(again.sharing);
    again.log.say('a ');
    await until(() => follows.text() === 'a ');
    again.origin.deafen();
    again.log.say('b ');
    await until(() => follows.text() === 'a b ');
    expect(again.log.connections).toEqual(['', '2']);
    again.log.end();
    await Promise.all([frozen.over, follows.over]);
  });

  test('a leader that has nothing to tell answers, and is not passed by', async () => {
    const { log, sharing } = aWorld({ answerMs: 200, quietMs: 5 });
    const [leader, follower] = [open(sharing), open(sharing)];
    await until(() => follower.cursor() === '1');
    const listener = new sharing.Channel('g1');
    let answers = 0;
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- as the client does
    listener.onmessage = ({ data: { kind } }: { data: { kind: string } }) => {
      if (kind === 'here') answers += 1;
    };
    await until(() => answers >= 3);
    listener.close();
    log.end();
    await Promise.all([leader.over, follower.over]);

    expect(log.connections).toEqual(['']);
  });

  test('a leader whose stream fails says so to its own reader, and the next one tries', async () => {
    const { log, sharing, origin } = aWorld();
    const [leader, next] = [open(sharing), open(sharing)];
    await until(() => next.cursor() === '1');
    log.fail(new Error('401'));

    await expect(leader.over).rejects.toThrow('401');
    await expect(next.over).rejects.toThrow('401');
    expect(log.connections).toEqual(['', '1']);
    await until(() => !origin.held('g1'));
  });

  test('where locks are refused it is a connection of its own', async () => {
    const { log, sharing } = aWorld();
    const locks = { request: () => Promise.reject(new Error('SecurityError')) };
    const tabs = [open({ ...sharing, locks }), open({ ...sharing, locks })];
    log.end();
    await Promise.all(tabs.map(({ over }) => over));

    expect(log.connections).toEqual(['', '']);
  });
});

describe('createChatClient in tabs', () => {
  const scripted = useScripted();
  const names = ['document', 'navigator', 'BroadcastChannel'] as const;
  const before = names.map(
    (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const,
  );
  afterEach(() => {
    for (const [name, was] of before) {
      Reflect.deleteProperty(globalThis, name);
      if (was) Object.defineProperty(globalThis, name, was);
    }
  });

  test.each([
    ['one connection for all', undefined, 1],
    ['one each where it is switched off', false, 2],
  ])('%s', async (_, tabs, connections) => {
    const { locks, Channel } = fakeOrigin();
    const fakes = { document: {}, navigator: { locks }, BroadcastChannel: Channel };
    for (const [name, value] of Object.entries(fakes)) {
      Object.defineProperty(globalThis, name, { value, configurable: true });
    }
    const state = {
      generationId: 'g1',
      status: 'running',
      message: { parentMessageId: 'm1', content: [] },
    };
    const generation = { generationId: 'g1', status: 'running', cursor: 't.1.1', state };
    const status = answer(200, {}, JSON.stringify({ generation }));
    const done = { seq: 2, status: 'completed', message: { status: 'complete' }, usage: null };
    const streams: (() => void)[] = [];
    const { url } = await scripted(status, status, (res, req) => {
      silentAfter(HELLO)(res, req);
      streams.push(() => res.end(`id: t.1.2\nevent: done\ndata: ${JSON.stringify(done)}\n\n`));
    });

    const clients = [1, 2].map(() => createChatClient({ baseUrl: url, tabs }));
    const turns = [await clients[0]?.attach('c1'), await clients[1]?.attach('c1')];
    const ends = turns.flatMap((turn) => (turn ? [turn.done] : []));
    await until(() => streams.length === connections);
    for (const end of streams) end();

    await expect(Promise.all(ends)).resolves.toMatchObject([
      { status: 'completed' },
      { status: 'completed' },
    ]);
    expect(streams).toHaveLength(connections);
  });
});
