import { expect, test } from '@jest/globals';
import { createChatClient } from '../../client/index.ts';
import { useScripted } from '../support/resumed.ts';
import { answer, hangUp, silentAfter, type Step } from '../support/scripted-server.ts';

const scripted = useScripted();

const json = (status: number, body: object): Step =>
  answer(status, { 'content-type': 'application/json' }, JSON.stringify(body));
const STARTED = json(202, { generationId: 'g1', conversationId: 'c1', messageId: 'm1' });

const client = (baseUrl: string) => createChatClient({ baseUrl, maxRetryMs: 2, attempts: 3 });

test('an answer is made again, or gone on with, under one key however often it is sent', async () => {
  const { url, asked } = await scripted(hangUp, STARTED, hangUp, STARTED);
  const message = { conversationId: 'c1', messageId: 'r0' };

  const { generationId } = await client(url).regenerate(message, { agentId: 'a' });
  await client(url).continue(message, { key: 'mine' });

  const keys = asked.map(({ headers }) => headers['idempotency-key']);
  expect(generationId).toBe('g1');
  expect(asked.map((it) => it.url)).toEqual([
    ...Array<string>(2).fill('/api/chat/regenerate'),
    ...Array<string>(2).fill('/api/chat/continue'),
  ]);
  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ ...message, agentId: 'a' });
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(keys).toEqual([keys[0], keys[0], 'mine', 'mine']);
});

test('an edit is said in the place of the message, also of the first one', async () => {
  const { url, asked } = await scripted(STARTED);

  await client(url).edit({ conversationId: 'c1', parentMessageId: null }, 'better');

  expect(JSON.parse(asked[0]?.body ?? '')).toMatchObject({
    conversationId: 'c1',
    parentMessageId: null,
    text: 'better',
  });
});

test('branches and forks', async () => {
  const { url, asked } = await scripted(
    json(200, { items: [], nextCursor: null }),
    json(200, { items: [], nextCursor: null }),
    json(200, { items: [], nextCursor: null }),
    json(201, { conversationId: 'c2' }),
  );

  await client(url).branch('c1');
  await client(url).branch('c1', { leaf: 'm 7', limit: 5, cursor: 'x' });
  await client(url).branch('c1', { through: 'm7' });
  const fork = await client(url).fork({ conversationId: 'c1', messageId: 'm7' }, { key: 'k' });

  expect(fork.conversationId).toBe('c2');
  expect(asked.map((it) => it.url)).toEqual([
    '/api/conversations/c1/messages?leaf=latest',
    '/api/conversations/c1/messages?leaf=m+7&cursor=x&limit=5',
    '/api/conversations/c1/messages?through=m7',
    '/api/conversations/c1/fork',
  ]);
  expect(asked[3]).toMatchObject({
    body: '{"messageId":"m7"}',
    headers: { 'idempotency-key': 'k' },
  });
});

const event = (n: number, type: string, data: object): string =>
  `id: t.1.${n}\nevent: ${type}\ndata: ${JSON.stringify({ seq: n, at: '', ...data })}\n\n`;

test('a message that steers is shown by the stream that is read already, with its id', async () => {
  const created = event(1, 'created', {
    generationId: 'g1',
    conversationId: 'c1',
    agentId: 'a',
    model: 'm',
    userMessage: { messageId: 'm1' },
    responseMessageId: 'r1',
  });
  const sentAgain = json(202, { generationId: 'g1', conversationId: 'c1', messageId: 'm2' });
  const open: Parameters<Step>[0][] = [];
  const stream: Step = (res, req) => {
    open.push(res);
    silentAfter(created)(res, req);
  };
  const { url, asked } = await scripted(STARTED, stream, sentAgain);
  const chat = client(url);
  const turn = await chat.send('hi');
  const states = turn.states()[Symbol.asyncIterator]();
  await states.next();

  const steering = { conversationId: 'c1', messageId: 'm2', onBusy: 'steer' } as const;
  const same = await chat.send('rather', steering);
  const heard = { part: 0, messageId: 'm2', text: 'rather', heard: true };
  const done = { status: 'completed', message: { status: 'complete' }, usage: null };
  open[0]?.write(event(2, 'steered', heard) + event(3, 'done', done));

  expect(same).toMatchObject({ generationId: turn.generationId, messageId: 'm2' });
  const last = await same.done;
  expect(last.message.content).toEqual([
    { type: 'steered', messageId: 'm2', text: 'rather', heard: true },
  ]);
  expect(await turn.done).toBe(last);
  expect(JSON.parse(asked[2]?.body ?? '')).toMatchObject({ text: 'rather', onBusy: 'steer' });
  expect(asked.filter(({ method }) => method === 'GET')).toHaveLength(1);
  await states.return?.();
});
