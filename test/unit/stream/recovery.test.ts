import { describe, expect, test } from '@jest/globals';
import type { Standing } from '../../../src/agent/agent-runner.ts';
import type { EventBody } from '../../../src/stream/events.ts';
import { foldEvents } from '../../../src/stream/fold.ts';
import { closingEvents } from '../../../src/stream/closing.ts';
import { whatStands } from '../../../src/stream/recovery.ts';
import { created, logOf } from '../../support/events.ts';
import { aQueuedJob, finalizing } from '../../support/jobs.ts';

const text = (part: number, words: string, call?: string): EventBody => ({
  type: 'text_delta',
  part,
  text: words,
  ...(call !== undefined && { call }),
});
const tool = (part: number): EventBody[] => [
  { type: 'tool_call', part, toolCallId: 'c1', name: 'add' },
  { type: 'tool_ready', toolCallId: 'c1', name: 'add', args: { a: 1 } },
];
const file = (n: number) => ({ name: `${n}.png`, mediaType: 'image/png', url: `/f/${n}` });
const standing = (over: Partial<Standing>): Standing => ({
  resumable: true,
  calls: [],
  results: [],
  steered: [],
  ...over,
});
const oneCall = {
  call: 'm1',
  reasoning: '',
  text: 'hello',
  toolCalls: [{ toolCallId: 'c1', name: 'add', args: { a: 1 } }],
};

test('an answer that ends with a result that nobody told shows first what the call showed, once', () => {
  const fold = foldEvents(
    logOf([created(), ...tool(0), { type: 'attachment', part: 1, ...file(1) }]),
  );
  const call = { toolCallId: 'c1', name: 'add', effects: 'unsafe' as const, args: { a: 1 } };
  const result = { status: 'ok' as const, output: '3', attachments: [file(1), file(2), file(3)] };
  const ledger = [{ ...call, argsHash: '', starts: 1, open: false, result }];

  expect(closingEvents(fold, finalizing(aQueuedJob({ ledger })))).toEqual([
    { type: 'attachment', part: 2, ...file(2) },
    { type: 'attachment', part: 3, ...file(3) },
    { type: 'tool_result', toolCallId: 'c1', status: 'ok', output: '3' },
  ]);
});

describe('what stands after a crash', () => {
  test('nothing, where there is no checkpoint', () => {
    const fold = foldEvents(logOf([created(), text(0, 'hel', 'm1'), text(0, 'lo')]));

    expect(whatStands(fold, standing({ resumable: false }), 3)).toEqual({
      content: [],
      calls: [],
      keep: 1,
    });
  });

  test('the finished model call, and not the one that was cut', () => {
    const fold = foldEvents(
      logOf([created(), text(0, 'hello', 'm1'), ...tool(1), text(2, 'half', 'm2')]),
    );

    const { content, keep } = whatStands(fold, standing({ calls: [oneCall] }), 5);

    expect(content).toMatchObject([{ text: 'hello' }, { toolCallId: 'c1', status: 'ready' }]);
    expect(keep).toBe(4);
  });

  test('completes a finished call whose last deltas the log lost', () => {
    const fold = foldEvents(logOf([created(), text(0, 'hel', 'm1')]));

    const { content, keep } = whatStands(fold, standing({ calls: [oneCall] }), 2);

    expect(content).toMatchObject([{ text: 'hello' }, { toolCallId: 'c1', args: { a: 1 } }]);
    expect(keep).toBe(2);
  });

  test('a finished call that the log has nothing of is added whole', () => {
    const fold = foldEvents(logOf([created()]));

    const { content } = whatStands(fold, standing({ calls: [{ ...oneCall, reasoning: 'hm' }] }), 1);

    expect(content.map((part) => part.type)).toEqual(['reasoning', 'text', 'tool_call']);
  });

  test('a result that the checkpoint lacks is withdrawn, one that it has is shown', () => {
    const result: EventBody = { type: 'tool_result', toolCallId: 'c1', status: 'ok', output: '3' };
    const fold = foldEvents(logOf([created(), text(0, 'hello', 'm1'), ...tool(1), result]));

    const without = whatStands(fold, standing({ calls: [oneCall] }), 5);
    const withResult = whatStands(
      fold,
      standing({ calls: [oneCall], results: [{ toolCallId: 'c1', status: 'ok', output: '4' }] }),
      5,
    );

    expect(without.content[1]).toEqual({
      type: 'tool_call',
      toolCallId: 'c1',
      name: 'add',
      args: { a: 1 },
      status: 'ready',
    });
    expect(withResult.content[1]).toMatchObject({ status: 'ok', output: '4' });
  });

  test('what a finished tool call showed is there once, behind what the log has', () => {
    const fold = foldEvents(
      logOf([created(), ...tool(0), { type: 'attachment', part: 1, ...file(1) }]),
    );
    const results = [
      { toolCallId: 'c1', status: 'ok' as const, output: '3', attachments: [file(1), file(2)] },
      { toolCallId: 'of nobody', status: 'ok' as const, output: '', attachments: [file(3)] },
    ];
    const calls = [{ ...oneCall, text: '', path: ['p'] }];

    const { content, calls: made, keep } = whatStands(fold, standing({ calls, results }), 4);

    expect(content.slice(1)).toEqual([
      { type: 'attachment', ...file(1) },
      { type: 'attachment', ...file(2), path: ['p'] },
    ]);
    expect([made.length, keep]).toEqual([3, 4]);
    expect(content[0]).not.toHaveProperty('attachments');
  });

  test('what an earlier recovery let stand still stands', () => {
    const before = foldEvents(logOf([created(), text(0, 'hello', 'm1')])).state();
    const fold = foldEvents(
      logOf([
        created(),
        { type: 'segment', reason: 'recovered', keep: 2, state: before, calls: ['m1'] },
        text(1, 'new', 'm2'),
      ]),
    );

    expect(
      whatStands(fold, standing({ calls: [{ ...oneCall, toolCalls: [] }] }), 3).content,
    ).toMatchObject([{ text: 'hello' }]);
  });
});
