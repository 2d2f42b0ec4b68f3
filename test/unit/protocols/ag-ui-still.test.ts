import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createAgUiStreams } from '../../../src/protocols/ag-ui/streams.ts';
import { OpenStreams } from '../../../src/http/open-streams.ts';
import { createIds } from '../../../src/lib/ids.ts';
import { aConversation, aMessage, C } from '../../contract/conversation-store-kit.ts';
import { framesOf, verified } from '../../support/ag-ui.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeGenerations } from '../../support/fake-generations.ts';
import { closeStores, memoryStores, type Stores } from '../../support/heart.ts';

const words = (text: string) => ({ content: [{ type: 'text' as const, text }] });

let stores: Stores;
beforeEach(() => {
  stores = memoryStores();
});
afterEach(() => closeStores(stores));

test('a thread whose generations are forgotten is shown by its messages', async () => {
  const { conversations } = stores;
  const clock = new FakeClock();
  const { still } = createAgUiStreams({
    conversations,
    generations: new FakeGenerations(),
    clock,
    ids: createIds(() => clock.now()),
    openStreams: new OpenStreams({ clock, heartbeatMs: 1_000, maxPerUser: 1 }),
  });
  await conversations.ensure(aConversation());
  await conversations.upsertMessage(aMessage('q', words('hi')), 1);
  const answer = { ...words('hello'), role: 'assistant', parentMessageId: 'q' } as const;
  await conversations.upsertMessage(aMessage('a', answer), 1);

  let body = '';
  const shown = await still(C, 'my thread');
  if (shown.outcome !== 'open') throw new Error(shown.outcome);
  shown.open({
    write: (bytes) => (body += Buffer.from(bytes).toString()) !== '',
    end: () => (body += 'end'),
    destroy: () => {},
  });

  const events = framesOf(body).map(({ event }) => event);
  await verified(events);
  expect(events).toMatchObject([
    { type: 'RUN_STARTED', threadId: 'my thread' },
    {
      messages: [
        { id: 'q', content: 'hi' },
        { id: 'a:0', content: 'hello' },
      ],
    },
    { type: 'RUN_FINISHED' },
  ]);
  expect(body).toMatch(/: eos\n\nend$/);
});
