import { describe, expect, test } from '@jest/globals';
import { backoff, follow } from '../../../web/stream.js';

interface Asked {
  url: string;
  cursor: string | undefined;
}

interface Line {
  asked: Asked[];
  seqs: number[];
  states: string[];
  ended: Promise<void>;
  close(): void;
  cut(): void;
}

type Answer = (cursor: string | undefined, call: number) => Response;

function frame(seq: number, last = 12): string {
  const event = seq === last ? 'done' : 'text_delta';
  return `id: t.${seq}\nevent: ${event}\ndata: {"seq":${seq}}\n\n`;
}

function streamed(text: string, cut = false): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      if (cut) controller.error(new Error('reset'));
      else controller.close();
    },
  });
  return new Response(body, { status: 200, headers: { 'x-replica-id': 'r1' } });
}

function after(cursor: string | undefined): string[] {
  const from = Number(cursor?.split('.')[1] ?? 0);
  return Array.from({ length: 12 - from }, (_each, index) => frame(from + index + 1));
}

/** A line to a scripted server. */
function connect(answer: Answer, cursor?: string): Line {
  const line: Omit<Line, 'ended' | 'close' | 'cut'> = { asked: [], seqs: [], states: [] };
  let close: (() => void) | undefined;
  let cut: (() => void) | undefined;
  const ended = new Promise<void>((settle) => {
    const followed = follow({
      url: '/s',
      ...(cursor === undefined ? {} : { cursor }),
      random: () => 0,
      fetch: async (url, init) => {
        const header = new Headers(init?.headers).get('last-event-id') ?? undefined;
        line.asked.push({ url: typeof url === 'string' ? url : '', cursor: header });
        return answer(header, line.asked.length);
      },
      onFrame: ({ data }) => void line.seqs.push(Number(data['seq'])),
      onState: ({ state }) => {
        line.states.push(state);
        if (state === 'ended' || state === 'refused') settle();
        // No test waits for a clock.
        if (state === 'waiting') queueMicrotask(() => followed.hurry());
      },
    });
    close = followed.close;
    cut = followed.cut;
  });
  return { ...line, ended, close: () => close?.(), cut: () => cut?.() };
}

const wait = (failures: number, random: number): number =>
  backoff({ retryMs: 1_000, failures, random: () => random });

const ALL = Array.from({ length: 12 }, (_each, index) => index + 1);

describe('the page holds its line', () => {
  test('whatever byte the line is cut at, every event comes once', async () => {
    const whole = after(undefined).join('');
    for (let at = 0; at < whole.length; at += 7) {
      const line = connect((cursor, call) =>
        call === 1 ? streamed(whole.slice(0, at)) : streamed(after(cursor).join('')),
      );
      await line.ended;
      expect(line.seqs).toEqual(ALL);
    }
  });

  test('a connection that breaks is the same as one that ends too early', async () => {
    const line = connect((cursor, call) =>
      streamed(
        after(cursor)
          .slice(0, call < 4 ? 3 : 12)
          .join(''),
        call < 4,
      ),
    );

    await line.ended;

    expect(line.seqs.toSorted((a, b) => a - b)).toEqual([...new Set(line.seqs)]);
    expect(line.seqs.at(-1)).toBe(12);
    expect(line.states.at(-1)).toBe('ended');
  });

  test('it comes back with the cursor of the last whole event', async () => {
    const line = connect((cursor, call) =>
      streamed(
        call === 1 ? `${after(cursor).slice(0, 5).join('')}id: t.6\nda` : after(cursor).join(''),
      ),
    );

    await line.ended;

    expect(line.asked).toEqual([
      { url: '/s', cursor: undefined },
      { url: '/s', cursor: 't.5' },
    ]);
    expect(line.seqs).toEqual(ALL);
  });

  test('a line that is cut takes nothing more from its old connection', async () => {
    const rest: (() => void)[] = [];
    const slow = (): Response => {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          const put = (frames: string[]): void =>
            controller.enqueue(new TextEncoder().encode(frames.join('')));
          put(after(undefined).slice(0, 5));
          rest.push(() => put(after('t.5')));
        },
      });
      return new Response(body);
    };
    const line = connect((cursor, call) =>
      call === 1 ? slow() : streamed(after(cursor).join('')),
    );
    while (line.seqs.length < 5) await new Promise((soon) => setImmediate(soon));

    line.cut();
    rest[0]?.();
    await line.ended;

    expect(line.asked.map(({ cursor }) => cursor)).toEqual([undefined, 't.5']);
    expect(line.seqs).toEqual(ALL);
  });

  test('204 is the end, 5xx is tried again, other refusals are final', async () => {
    const atEnd = connect(() => new Response(null, { status: 204 }), 't.12');
    const later = connect((cursor, call) =>
      call < 3 ? new Response(null, { status: 502 }) : streamed(after(cursor).join('')),
    );
    const gone = connect(() => new Response(null, { status: 404 }));
    await Promise.all([atEnd.ended, later.ended, gone.ended]);

    expect(atEnd.states).toEqual(['connecting', 'ended']);
    expect(later.seqs).toEqual(ALL);
    expect(gone.states).toEqual(['connecting', 'refused']);
    expect(gone.asked).toHaveLength(1);
  });

  test('what comes after done is not read, and a closed line is silent', async () => {
    const line = connect(() => streamed(after(undefined).join('') + frame(13)));
    await line.ended;
    const closed = connect((cursor) => streamed(after(cursor).join('')));
    closed.close();
    await new Promise((soon) => setImmediate(soon));

    expect(line.seqs).toEqual(ALL);
    expect(closed.seqs).toEqual([]);
    expect(closed.states).toEqual(['connecting']);
  });

  test('waits grow, are spread, and stay bounded', () => {
    expect([0, 1, 2].map((failures) => wait(failures, 0.5))).toEqual([1_000, 2_000, 4_000]);
    expect([wait(0, 0), wait(0, 1)]).toEqual([750, 1_250]);
    expect(wait(1_000, 1)).toBeLessThan(20_000);
  });
});
