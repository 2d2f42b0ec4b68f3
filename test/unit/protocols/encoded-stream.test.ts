import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Encoder } from '../../../src/protocols/encoder.ts';
import { type EncodedFrom, subscribeEncoded } from '../../../src/protocols/encoded-stream.ts';
import type { EventBody, LogEvent } from '../../../src/stream/events.ts';
import { frameOf, syncFrame, toStored } from '../../../src/stream/frame.ts';
import type { FrameSink, Generations, Subscribed } from '../../../src/stream/generations.ts';
import { MessageFold } from '../../../src/stream/fold.ts';
import { aMessage } from '../../contract/conversation-store-kit.ts';

const GENERATION = 'gen_000000000000abcdef';
const OWNER = { tenantId: 't', userId: 'u' };
const AT = '2026-01-01T00:00:00.000Z';

/** Each word becomes as many frames as it says, numbered over the whole log: a fold that sees every event. */
const numbers: Encoder<number> = {
  initial: 0,
  encode(state, { body }) {
    const count = body.type === 'text_delta' ? Number(body.text) : 0;
    const frames = Array.from({ length: count }, (_, index) => ({
      event: 'n',
      data: `${state + index}`,
      n: state + index,
    }));
    const over = body.type === 'done' || body.type === 'pending_action';
    return {
      state: state + count,
      frames,
      ...(over && { ending: [{ data: 'last' }, { data: '[DONE]' }] }),
    };
  },
};

const created = (): EventBody => ({
  type: 'created',
  conversationId: 'conv_1',
  generationId: GENERATION,
  agentId: 'demo',
  model: 'demo',
  userMessage: aMessage('msg_1', { role: 'user' }),
  responseMessageId: 'msg_2',
});
const word = (count: number): EventBody => ({ type: 'text_delta', part: 0, text: `${count}` });
const done: EventBody = {
  type: 'done',
  status: 'completed',
  message: aMessage('msg_2'),
  conversation: {
    conversationId: 'conv_1',
    title: null,
    temporary: false,
    createdAt: AT,
    updatedAt: AT,
  },
  usage: null,
};
const pause: EventBody = {
  type: 'pending_action',
  action: {
    actionId: 'act_1',
    revision: 1,
    generationId: GENERATION,
    conversationId: 'conv_1',
    createdAt: AT,
    expiresAt: null,
    kind: 'ask_user_question',
    questions: [{ id: 'q', question: 'Which?' }],
  },
};

function logOf(bodies: EventBody[], fence = 1): LogEvent[] {
  return bodies.map((body, index) => ({ seq: index + 1, fence, at: AT, body }));
}

const bytesOf = (events: LogEvent[]): Buffer =>
  Buffer.from(events.map((event) => frameOf(GENERATION, toStored(event))).join(''));

/** A heart that has this to say, in so many chunks; the last one is all that there is for the moment. */
function heart(chunks: Buffer[]): Pick<Generations, 'subscribe'> & { closed: number } {
  return {
    closed: 0,
    async subscribe(_owner, _id, from): Promise<Subscribed> {
      expect(from).toEqual({ cursor: undefined, snapshot: false, exact: true });
      return {
        outcome: 'open',
        open: (sink) => {
          chunks.forEach((chunk, index) => sink.write(chunk, index === chunks.length - 1));
          return { drained() {}, close: () => void (this.closed += 1) };
        },
      };
    },
  };
}

class Page implements FrameSink {
  text = '';
  over: 'ended' | 'cut' | undefined;
  write(frames: Uint8Array): boolean {
    this.text += Buffer.from(frames).toString();
    return true;
  }
  end(): void {
    this.over = 'ended';
  }
  destroy(): void {
    this.over = 'cut';
  }
  get frames(): { id: string; data: string }[] {
    return [...this.text.matchAll(/id: (\S+)\n(?:event: \S+\n)?data: (.*)\n\n/g)].map((it) => ({
      id: it[1] ?? '',
      data: it[2] ?? '',
    }));
  }
}

async function read(chunks: Buffer[], from: Partial<EncodedFrom> = {}): Promise<Page> {
  const page = new Page();
  const who = { owner: OWNER, encoder: numbers };
  const subscribed = await subscribeEncoded(heart(chunks), who, {
    generationId: GENERATION,
    ...from,
  });
  if (subscribed.outcome === 'open') subscribed.open(page);
  return page;
}

describe('a stream in another protocol', () => {
  test('cut behind any frame and resumed there has the same bytes as one that was not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 12 }),
        async (words) => {
          const events = logOf([created(), ...words.map(word), done]);
          const whole = await read([bytesOf(events)]);

          for (const [index, { id }] of whole.frames.entries()) {
            const rest = await read([bytesOf(events)], { cursor: id });
            const behind = whole.text.indexOf(`id: ${id}\n`);
            const cut = whole.text.indexOf('\n\n', behind) + 2;
            expect(whole.text.slice(0, cut) + rest.text).toBe(whole.text);
            expect(rest.frames).toHaveLength(whole.frames.length - index - 1);
          }
          expect(whole.text.endsWith('data: [DONE]\n\n: eos\n\n')).toBe(true);
          expect(whole.over).toBe('ended');
        },
      ),
      { numRuns: 40 },
    );
  });

  test('is the same in whatever chunks the log comes', async () => {
    const events = logOf([created(), word(2), word(0), word(3), done]);
    const apart = await read(events.map((event) => bytesOf([event])));

    expect(apart.text).toBe((await read([bytesOf(events)])).text);
  });

  test('ends at a pause where nothing has followed, and goes past it where something has', async () => {
    const paused = [created(), word(1), pause];
    const waits = await read([bytesOf(logOf(paused))]);
    const went = await read([bytesOf(logOf([...paused, word(2), done]))]);
    const apart = logOf([...paused, word(2), done]);

    expect(waits.frames.map(({ data }) => data)).toEqual(['0', 'last', '[DONE]']);
    expect(waits.over).toBe('ended');
    expect(went.frames.map(({ data }) => data)).toEqual(['0', '1', '2', 'last', '[DONE]']);
    expect((await read([bytesOf(apart.slice(0, 3)), bytesOf(apart.slice(3))])).text).toBe(
      went.text,
    );
  });

  test('leaves the native stream at its end', async () => {
    const generations = heart([bytesOf(logOf([created(), pause]))]);
    const subscribed = await subscribeEncoded(
      generations,
      { owner: OWNER, encoder: numbers },
      { generationId: GENERATION },
    );
    if (subscribed.outcome === 'open') subscribed.open(new Page());

    expect(generations.closed).toBe(1);
  });

  test('begins behind a pause where it is told to', async () => {
    const events = logOf([created(), word(1), pause, word(2), done]);
    const page = await read([bytesOf(events)], { begin: ({ seq }) => seq > 3 });

    expect(page.frames.map(({ data }) => data)).toEqual(['1', '2', 'last', '[DONE]']);
  });

  test('from the number of any frame has exactly the frames behind it', async () => {
    const chunks = [bytesOf(logOf([created(), word(2), word(0), word(3), done]))];
    const whole = await read(chunks);

    for (const [index, { id }] of whole.frames.slice(0, 5).entries()) {
      const rest = await read(chunks, { after: index });

      expect(rest.text).toBe((await read(chunks, { cursor: id })).text);
    }
    expect((await read(chunks, { after: -1 })).text).toBe(whole.text);
  });

  test('to a cursor of withdrawn words gives all that stands in their place', async () => {
    const before = logOf([created(), word(1), word(1), word(1)], 1);
    const lost = (await read([bytesOf(before)])).frames.at(-1)?.id ?? '';
    const after = logOf([created(), word(1), word(2), word(1), done]).map((event) =>
      event.seq > 2 ? { ...event, fence: 2 } : event,
    );

    const page = await read([bytesOf(after)], { cursor: lost });

    expect(page.frames.map(({ data }) => data)).toEqual(['1', '2', '3', 'last', '[DONE]']);
  });

  test('is cut where the log goes back under it', async () => {
    const fold = new MessageFold();
    const [first] = logOf([created()]);
    if (first) fold.apply(first);
    const reset = Buffer.from(
      syncFrame(GENERATION, { fence: 2, seq: 1 }, { state: fold.state(), reason: 'epoch', at: AT }),
    );

    const page = await read([bytesOf(logOf([created(), word(1)])), reset]);

    expect(page.over).toBe('cut');
    expect(page.frames.map(({ data }) => data)).toEqual(['0']);
  });

  test('of a log that is gone is told from what is kept', async () => {
    const fold = new MessageFold();
    for (const event of logOf([created(), word(2)])) fold.apply(event);
    const record = Buffer.concat([
      Buffer.from(
        syncFrame(
          GENERATION,
          { fence: 1, seq: 2 },
          { state: fold.state(), reason: 'expired', at: AT },
        ),
      ),
      bytesOf([{ seq: 3, fence: 1, at: AT, body: done }]),
    ]);

    const fresh = await read([record]);
    const back = await read([record], { cursor: 'abcdef.1.2.0' });
    const numbered = await read([record], { after: 1_000 });

    expect(fresh.frames.map(({ data }) => data)).toEqual(['0', '1', 'last', '[DONE]']);
    expect(back.frames.map(({ data }) => data)).toEqual(['last', '[DONE]']);
    expect(numbered.text).toBe(back.text);
  });

  test.each(['', 'nonsense', 'abcdef.1.2', 'zzzzzz.1.2.0', 'abcdef.1.2.-1', 'abcdef.1.2.0.0'])(
    'from the cursor %j is whole',
    async (cursor) => {
      const chunks = [bytesOf(logOf([created(), word(1), done]))];

      expect((await read(chunks, { cursor })).text).toBe((await read(chunks)).text);
    },
  );
});
