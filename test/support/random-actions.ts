import type { EventOf } from '../../src/stream/events.ts';
import type { PendingAction } from '../../src/stream/pending-action.ts';

/** What a log that is made at random waits for, and what is said to it. */

/** What every action has. */
export type Asking = Omit<PendingAction, 'kind' | 'requests' | 'questions' | 'value'>;

export function questionOf(toolCallId: string) {
  return { id: 'q1', question: `Which of ${toolCallId}?` };
}

export function asks(head: Asking, toolCallId: string): PendingAction {
  return { ...head, kind: 'ask_user_question', questions: [questionOf(toolCallId)] };
}

export function asksItsOwnWay(
  head: Asking,
  path: { path?: string[] },
  choice: number,
): PendingAction {
  const value = [null, 'well?', 7, [{ deep: { er: [] } }], { form: {}, '': true }][choice % 5];
  const responseSchema = { type: 'object', properties: { yes: { type: 'boolean' } } };
  return {
    ...head,
    kind: 'custom',
    value: value ?? null,
    ...(choice % 2 === 0 ? { responseSchema } : {}),
    ...path,
  };
}

export function gates(head: Asking, calls: { id: string; name: string }[]): PendingAction {
  const requests = calls.map(({ id, name }) => ({
    toolCallId: id,
    name,
    args: { of: id },
    argsHash: 'x',
    allowedDecisions: ['approve' as const, 'reject' as const],
  }));
  return { ...head, kind: 'tool_approval', requests };
}

export function saidTo(action: PendingAction, choice: number): Partial<EventOf<'action_resolved'>> {
  if (action.kind === 'custom')
    return { response: [null, false, '', { yes: true }][choice % 4] ?? null };
  if (action.kind === 'ask_user_question') return { answers: { q1: 'green' } };
  return {
    decisions: action.requests.map(({ toolCallId }) => ({
      toolCallId,
      decision: choice % 3 === 0 ? 'reject' : 'approve',
    })),
  };
}
