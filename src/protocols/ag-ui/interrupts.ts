import type { JsonObject } from '../../lib/json.ts';
import type { ApprovalRequest, PendingAction } from '../../stream/pending-action.ts';
import { tagOf } from './messages.ts';

/** A pending action as AG-UI's interrupts: one for each call, or each question, that wants an answer. */

export type InterruptKind = 'call' | 'recover' | 'ask' | 'custom';

export interface InterruptRef {
  actionId: string;
  kind: InterruptKind;
  /** The tool call's id, or the question's; `value` where a graph asks in its own form. */
  item: string;
}

const FORM = /^([A-Za-z0-9_.-]{1,128}):(call|recover|ask|custom):(.+)$/s;

/** Says all that an answer needs, so that none depends on what the client remembers. */
export function formatInterruptId({ actionId, kind, item }: InterruptRef): string {
  return `${actionId}:${kind}:${item}`;
}

export function parseInterruptId(id: string): InterruptRef | undefined {
  const [, actionId, kind, item] = FORM.exec(id) ?? [];
  if (actionId === undefined || item === undefined) return undefined;
  return isKind(kind) ? { actionId, kind, item } : undefined;
}

const KINDS: readonly unknown[] = ['call', 'recover', 'ask', 'custom'] satisfies InterruptKind[];

function isKind(kind: unknown): kind is InterruptKind {
  return KINDS.includes(kind);
}

type Question = Extract<PendingAction, { questions: unknown }>['questions'][number];

/** `pathOf`: of the call, where a sub-agent made it. */
export function interruptsOf(
  action: PendingAction,
  pathOf: (toolCallId: string) => readonly string[] | undefined,
): JsonObject[] {
  const { actionId, expiresAt } = action;
  const common = expiresAt === null ? {} : { expiresAt };
  if (action.kind === 'custom') return [{ ...customInterrupt(action), ...common }];
  if (action.kind === 'ask_user_question') {
    return action.questions.map((question) => ({
      id: formatInterruptId({ actionId, kind: 'ask', item: question.id }),
      reason: 'input_required',
      message: question.question,
      responseSchema: answerSchema(question),
      ...common,
      metadata: { holdfast: { actionId, kind: action.kind, question: plain(question) } },
    }));
  }
  const kind = action.kind === 'recovery' ? 'recover' : 'call';
  return action.requests.map((request) => ({
    id: formatInterruptId({ actionId, kind, item: request.toolCallId }),
    reason: kind === 'recover' ? 'recovery' : 'tool_call',
    message: messageOf(kind, request),
    toolCallId: request.toolCallId,
    responseSchema: decisionSchemaOf(kind, request),
    ...common,
    ...tagOf(pathOf(request.toolCallId)),
    metadata: { holdfast: { actionId, kind: action.kind, request: plain(request) } },
  }));
}

type Custom = Extract<PendingAction, { kind: 'custom' }>;

function customInterrupt({ actionId, kind, value, responseSchema, path }: Custom): JsonObject {
  return {
    id: formatInterruptId({ actionId, kind, item: 'value' }),
    reason: 'custom',
    message: typeof value === 'string' ? value : 'The agent waits for a response.',
    ...(responseSchema && { responseSchema }),
    ...tagOf(path),
    metadata: { holdfast: { actionId, kind, value } },
  };
}

function messageOf(kind: InterruptKind, { name, description }: ApprovalRequest): string {
  if (kind === 'recover') return `It is not known whether ${name} took effect. What is to be done?`;
  return description ?? `May ${name} run?`;
}

/** Without members that are not there, which JSON has no word for. */
function plain(value: object): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}

function decisionSchemaOf(
  kind: InterruptKind,
  { allowedDecisions, argsSchema, mayRemember }: ApprovalRequest,
): JsonObject {
  const can = (decision: ApprovalRequest['allowedDecisions'][number]): boolean =>
    allowedDecisions.includes(decision);
  const properties: JsonObject = {
    decision: { enum: [...allowedDecisions] },
    ...(kind === 'call' && { approved: { type: 'boolean' } }),
    ...(can('edit') && { editedArgs: argsSchema ?? { type: 'object' } }),
    ...((can('respond') || can('done')) && { responseText: { type: 'string' } }),
    ...(can('reject') && { reason: { type: 'string' } }),
    ...(mayRemember === true && { scope: { enum: ['once', 'conversation', 'always'] } }),
  };
  const wanted = kind === 'call' ? ['decision', 'approved'] : ['decision'];
  return { type: 'object', properties, anyOf: wanted.map((name) => ({ required: [name] })) };
}

function answerSchema({ options = [], multiSelect, freeText }: Question): JsonObject {
  const values = options.map(({ label, value }) => value ?? label);
  const choice: JsonObject = values.length > 0 ? { enum: values } : { type: 'string' };
  const free = freeText !== false && values.length > 0;
  const one: JsonObject = free ? { anyOf: [choice, { type: 'string' }] } : choice;
  const answer: JsonObject = multiSelect === true ? { type: 'array', items: one } : one;
  return { type: 'object', properties: { answer }, required: ['answer'] };
}
