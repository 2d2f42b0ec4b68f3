import fc from 'fast-check';
import type { Turn } from './api.ts';
import { actionIdOf } from './race-client.ts';
import { isShape, list, object, type Shape } from './shape.ts';

/** Answers as nobody should give them, each with how it must be refused. */

export interface Pause {
  turn: Turn;
  action: Shape;
  /** An answer that is taken. */
  right: Shape;
}

export type Case = [name: string, body: unknown, expected: string];

/** A text that is sent as it is: what JSON.stringify can't say. */
export class Raw {
  readonly text: string;
  constructor(body: string) {
    this.text = body;
  }
}

export const bytesOf = (body: unknown): string =>
  body instanceof Raw ? body.text : JSON.stringify(body);

const BAD = '400 INVALID_REQUEST';

/** What is wrong whatever is asked. */
export function anyKind({ right, turn, action }: Pause, other: Pause): Case[] {
  const { generationId, ...said } = right;
  const body = JSON.stringify(right);
  const proto = new Raw(`${body.slice(0, -1)},"__proto__":{"admin":true}}`);
  return [
    ['not JSON', new Raw('{"generationId":'), '400 INVALID_JSON'],
    ['empty', new Raw(''), '400 INVALID_JSON'],
    ['null', null, BAD],
    ['a list', [right], BAD],
    ['a string', 'approve', BAD],
    ['nothing', {}, BAD],
    ['no target', said, BAD],
    ['both targets', { ...right, conversationId: turn.conversationId }, BAD],
    ['a target that is a list', { ...right, generationId: [generationId] }, BAD],
    ['no action', { ...right, actionId: undefined }, BAD],
    ['a numeric action', { ...right, actionId: 7 }, BAD],
    ['an empty action', { ...right, actionId: '' }, BAD],
    ['another generation', { ...right, generationId: 'gen_none' }, '404 NOT_FOUND'],
    ['another conversation', { ...said, conversationId: 'conv_none' }, '404 NOT_FOUND'],
    ['an action that never was', { ...right, actionId: 'act_none' }, '409 STALE_ACTION'],
    ['a prototype as action', { ...right, actionId: 'constructor' }, '409 STALE_ACTION'],
    ["another's action", { ...right, actionId: actionIdOf(other.action) }, '409 STALE_ACTION'],
    [
      "another's generation",
      { ...right, generationId: other.turn.generationId },
      '409 STALE_ACTION',
    ],
    ['an agent', { ...right, agentId: 'other' }, BAD],
    ['a model', { ...right, model: 'openai:gpt' }, BAD],
    ['tools', { ...right, tools: [] }, BAD],
    ['files', { ...right, files: [] }, BAD],
    ['an extra key', { ...right, extra: 1 }, BAD],
    ['the key __proto__', proto, BAD],
    ['the key constructor', { ...right, constructor: { prototype: {} } }, BAD],
    ['no verdict', { generationId, actionId: actionIdOf(action) }, BAD],
    ['two verdicts', { ...right, decisions: [], answers: {} }, BAD],
    ['a huge text', { ...right, extra: 'x'.repeat(300_000) }, '413 PAYLOAD_TOO_LARGE'],
    ['a deep body', new Raw(`{"a":${'['.repeat(100)}${']'.repeat(100)}}`), BAD],
    ['a lone surrogate', new Raw(`{"actionId":"\\ud800"}`), BAD],
  ];
}

/** What is wrong where calls are decided. */
export function callKinds(pause: Pause): Case[] {
  const { right } = pause;
  const decisions = list(right['decisions']).filter(isShape);
  const [first, ...rest] = decisions;
  const changed = (change: Shape): Shape => ({
    ...right,
    decisions: [{ ...first, ...change }, ...rest],
  });
  const dup = { ...right, decisions: [...decisions, first] };
  return [
    ['no decisions', { ...right, decisions: [] }, '400 UNDECIDED'],
    ['one call left out', { ...right, decisions: rest }, '400 UNDECIDED'],
    ['answers', { ...right, decisions: undefined, answers: { q: 'yes' } }, '400 UNDECIDED'],
    ['an answer', { ...right, decisions: undefined, answer: 'yes' }, '400 UNDECIDED'],
    ['a call twice', dup, '400 DUPLICATE_DECISION'],
    [
      'an unknown call',
      { ...right, decisions: [...decisions, { ...first, toolCallId: 'call_none' }] },
      '400 UNKNOWN_TOOL_CALL',
    ],
    ['a call of another name', changed({ toolCallId: 'call_none' }), '400 UNDECIDED'],
    ['a prototype as call', changed({ toolCallId: '__proto__' }), '400 UNDECIDED'],
    ['a call without id', changed({ toolCallId: undefined }), BAD],
    ['a numeric call', changed({ toolCallId: 1 }), BAD],
    ['another tool', changed({ name: 'add' }), BAD],
    ['other arguments', changed({ args: {} }), BAD],
    ['no decision', changed({ decision: undefined }), BAD],
    ['a decision in capitals', changed({ decision: 'APPROVE' }), BAD],
    ['an empty decision', changed({ decision: '' }), BAD],
    ['yes', changed({ decision: true }), BAD],
    ['null', changed({ decision: null }), BAD],
    ['a list of decisions', changed({ decision: ['approve'] }), BAD],
    ['an unknown scope', changed({ scope: 'forever' }), BAD],
    ['a numeric reason', changed({ reason: 1 }), BAD],
    ['arguments in a list', changed({ decision: 'edit', editedArgs: [] }), BAD],
    ['arguments in a text', changed({ decision: 'edit', editedArgs: '{}' }), BAD],
    ['no arguments at all', changed({ decision: 'edit', editedArgs: null }), BAD],
    ['decisions in an object', { ...right, decisions: { 0: first } }, BAD],
    ['nothing but null', { ...right, decisions: [null] }, BAD],
    ['a decision in a list', { ...right, decisions: [[first]] }, BAD],
    ['too many', { ...right, decisions: Array.from({ length: 1_001 }, () => first) }, BAD],
  ];
}

export function edits(pause: Pause): Case[] {
  const { right } = pause;
  const [first, ...rest] = list(right['decisions']).filter(isShape);
  const edit = (editedArgs?: unknown): Shape => ({
    ...right,
    decisions: [{ ...first, decision: 'edit', editedArgs }, ...rest],
  });
  const respond = (responseText?: unknown): Shape => ({
    ...right,
    decisions: [{ ...first, decision: 'respond', responseText }, ...rest],
  });
  const fine = { to: 'a', subject: 'b' };
  const polluted = JSON.stringify(edit(fine)).replace('"to":', '"__proto__":{"to":"x"},"to":');
  const INVALID = '422 EDITED_ARGS_INVALID';
  return [
    ['an edit without arguments', edit(), '400 INCOMPLETE_DECISION'],
    ['an edit of nothing', edit({}), INVALID],
    ['a number for a text', edit({ ...fine, to: 1 }), INVALID],
    ['an empty address', edit({ ...fine, to: '' }), INVALID],
    ['an argument too many', edit({ ...fine, bcc: 'x' }), INVALID],
    ['an argument too few', edit({ to: 'a' }), INVALID],
    ['a constructor', edit({ ...fine, constructor: {} }), INVALID],
    ['a polluted edit', new Raw(polluted), BAD],
    ['a response without text', respond(), '400 INCOMPLETE_DECISION'],
    ['an empty response', respond(''), '400 INCOMPLETE_DECISION'],
    ['a blank response', respond(' \n\t'), '400 INCOMPLETE_DECISION'],
    ['a response in a list', respond(['x']), BAD],
  ];
}

export function notAllowed(pause: Pause, ...kinds: string[]): Case[] {
  const { right } = pause;
  const decisions = list(right['decisions']).filter(isShape);
  return kinds.map((decision): Case => {
    const more = { decision, editedArgs: {}, responseText: 'x' };
    const body = { ...right, decisions: decisions.map((it) => ({ ...it, ...more })) };
    return [`${decision}, which is not allowed`, body, '403 DECISION_NOT_ALLOWED'];
  });
}

export function questions({ right, action }: Pause): Case[] {
  const id = Object.keys(object(right['answers']))[0] ?? '';
  const answers = (value: unknown): Shape => ({ ...right, answers: { [id]: value } });
  const short = (answer: unknown): Shape => ({ ...right, answers: undefined, answer });
  const HALF = '400 INCOMPLETE_DECISION';
  const decisions = [{ toolCallId: actionIdOf(action), decision: 'approve' }];
  return [
    ['decisions', { ...right, answers: undefined, decisions }, HALF],
    ['no decisions', { ...right, answers: undefined, decisions: [] }, HALF],
    ['no answer', { ...right, answers: {} }, HALF],
    ['an answer to another question', { ...right, answers: { other: 'x' } }, HALF],
    ['an answer too many', { ...right, answers: { [id]: 'green', other: 'x' } }, HALF],
    ['an answer to the constructor', { ...right, answers: { constructor: 'x' } }, HALF],
    ['an empty answer', answers(''), HALF],
    ['a blank answer', answers(' \u00a0\n'), HALF],
    ['two answers to one', answers(['red', 'green']), HALF],
    ['a list of one', answers(['red']), HALF],
    ['an empty list', answers([]), HALF],
    ['a number', answers(3), BAD],
    ['yes', answers(true), BAD],
    ['null', answers(null), BAD],
    ['an object', answers({ value: 'red' }), BAD],
    ['a list of lists', answers([['red']]), BAD],
    ['a short blank', short(' '), HALF],
    ['a short list', short(['red']), BAD],
    ['answers in a list', { ...right, answers: ['green'] }, BAD],
  ];
}

const hostile: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom<unknown>(null, true, 0, -1, 1e21, '', ' ', [], {}, [[]], [null], '__proto__'),
);
const key = fc.oneof(
  fc.string(),
  fc.constantFrom('constructor', 'then', 'toString', '', 'agentId'),
);

/** A right body with something at its top or in one of its decisions replaced by anything, or anything added. */
export function damaged(right: Shape): fc.Arbitrary<Shape> {
  const decisions = Array.isArray(right['decisions']) ? right['decisions'].filter(isShape) : [];
  const top = fc
    .tuple(fc.constantFrom(...Object.keys(right)), hostile)
    .map(([name, value]) => ({ ...right, [name]: value }));
  const added = fc.tuple(key, hostile).map(([name, value]) => ({ ...right, [name]: value }));
  if (decisions.length === 0) return fc.oneof(top, added);
  const inside = fc
    .tuple(
      fc.nat(decisions.length - 1),
      fc.oneof(fc.constantFrom('toolCallId', 'decision'), key),
      hostile,
    )
    .map(([index, name, value]) => ({
      ...right,
      decisions: decisions.map((it, at) => (at === index ? { ...it, [name]: value } : it)),
    }));
  return fc.oneof(top, added, inside);
}
