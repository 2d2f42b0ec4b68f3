import { z } from 'zod';
import { hashOf } from '../lib/json.ts';
import type { Json } from '../lib/json.ts';
import {
  answersSchema,
  approvalRequestSchema,
  decisionSchema,
  questionSchema,
} from '../stream/pending-action.ts';
import type { PendingAction } from '../stream/pending-action.ts';
import type { AnsweredPause, PauseRequest } from './agent-runner.ts';
import type { CustomValue } from './custom-value.ts';

/** What our interrupts hold in the checkpoint, and what they are resumed with. */

/** Checkpoint namespace of the asking step: says whether it still asks, and finds what it asked when it runs again. */
const at = z.string().min(1);

const approvalValueSchema = z.object({
  kind: z.literal('tool_approval'),
  at,
  requests: z.array(approvalRequestSchema.omit({ argsHash: true })).min(1),
  /** Reasons by tool-call id: the calls of the batch that never run. What is named nowhere runs unasked. */
  denied: z.record(z.string(), z.string()),
});
export type ApprovalValue = z.infer<typeof approvalValueSchema>;

const questionsValueSchema = z.object({
  kind: z.literal('ask_user_question'),
  at,
  toolCallId: z.string(),
  questions: z.array(questionSchema).min(1).max(4),
});
export type QuestionsValue = z.infer<typeof questionsValueSchema>;

export const interruptValueSchema = z.discriminatedUnion('kind', [
  approvalValueSchema,
  questionsValueSchema,
]);
/** What is asked in the name of a tool call. */
export type CallValue = z.infer<typeof interruptValueSchema>;
export type InterruptValue = CallValue | CustomValue;

/** A decision as the graph gets it: with the hash of the arguments that the person saw. */
const ruledSchema = decisionSchema.omit({ scope: true }).extend({ argsHash: z.string() });
export type RuledDecision = z.infer<typeof ruledSchema>;

/** `actionId` marks an answer in the checkpoint: interrupt ids repeat. */
const decidedSchema = z.object({ actionId: z.string(), decisions: z.array(ruledSchema) });
const answeredSchema = z.object({ actionId: z.string(), answers: answersSchema });
/** A graph's own question gets the response as it is, which may be any JSON. */
export type ResumeValue = z.infer<typeof decidedSchema> | z.infer<typeof answeredSchema> | Json;

function sameIds(asked: readonly string[], given: readonly string[]): boolean {
  return asked.length === given.length && asked.every((id) => given.includes(id));
}

/** LangGraph checks an answer with it before it keeps it: one that does not fit leaves the interrupt as it was. */
export function decisionsFor({ requests }: Pick<ApprovalValue, 'requests'>) {
  const byId = new Map(requests.map((request) => [request.toolCallId, request]));
  return decidedSchema.refine(
    ({ decisions }) =>
      sameIds(
        [...byId.keys()],
        decisions.map(({ toolCallId }) => toolCallId),
      ) &&
      decisions.every(({ toolCallId, decision, argsHash, editedArgs, responseText }) => {
        const request = byId.get(toolCallId);
        if (!request?.allowedDecisions.includes(decision)) return false;
        if (argsHash !== hashOf(request.args)) return false;
        if (decision === 'edit') return editedArgs !== undefined;
        return decision !== 'respond' || responseText !== undefined;
      }),
  );
}

export function answersFor({ questions }: Pick<QuestionsValue, 'questions'>) {
  const ids = questions.map(({ id }) => id);
  return answeredSchema.refine(({ answers }) => sameIds(ids, Object.keys(answers)));
}

/** Is this what the person was shown? */
export function shows(action: PendingAction, value: InterruptValue): boolean {
  if (action.kind === 'custom') {
    const { responseSchema } = action;
    const shown = hashOf({ value: action.value, responseSchema });
    if (value.kind !== action.kind) return false;
    return shown === hashOf({ value: value.value, responseSchema: value.responseSchema });
  }
  if (action.kind === 'ask_user_question')
    return value.kind === action.kind && hashOf(action.questions) === hashOf(value.questions);
  if (action.kind !== 'tool_approval' || value.kind !== action.kind) return false;
  const shown = action.requests.map(({ toolCallId, name, args, argsHash }) => {
    return { toolCallId, name, args: hashOf(args), argsHash };
  });
  const asked = value.requests.map(({ toolCallId, name, args }) => {
    return { toolCallId, name, args: hashOf(args), argsHash: hashOf(args) };
  });
  return hashOf(shown) === hashOf(asked);
}

/** The resume value for an answer; undefined where it does not answer what is asked. */
export function resumeValue(
  { action, verdict }: AnsweredPause,
  value: InterruptValue,
): ResumeValue | undefined {
  const { actionId } = action;
  if (value.kind === 'custom') return 'response' in verdict ? verdict.response : undefined;
  if (value.kind === 'ask_user_question')
    return answersFor(value).safeParse({ actionId, ...verdict }).data;
  const hashes = new Map(
    'requests' in action ? action.requests.map((it) => [it.toolCallId, it.argsHash]) : [],
  );
  const decisions = 'decisions' in verdict ? verdict.decisions : [];
  const ruled = decisions.map((decision) => {
    return { ...decision, argsHash: hashes.get(decision.toolCallId) };
  });
  return decisionsFor(value).safeParse({ actionId, decisions: ruled }).data;
}

/**
 * What we keep of LangGraph's id. A graph's own questions leave nothing of ours in its checkpoint, so that of one step
 * the second is told from the first by the answers that the step had had.
 */
function keyOf(id: string, value: InterruptValue): string {
  return value.kind === 'custom' ? `${id}#${value.after}` : id;
}

/** LangGraph's id. */
export function idOf(interruptId: string): string {
  return interruptId.split('#')[0] ?? '';
}

/** Is it this question of its step that was answered? */
export function isKeyOf(interruptId: string, id: string, value: InterruptValue): boolean {
  return interruptId === keyOf(id, value);
}

export function pauseFor(id: string, value: InterruptValue): PauseRequest {
  const interruptId = keyOf(id, value);
  if (value.kind === 'custom') {
    const { after: _after, ...asked } = value;
    return { interruptId, ...asked };
  }
  if (value.kind === 'ask_user_question')
    return { kind: value.kind, interruptId, questions: value.questions };
  return { kind: value.kind, interruptId, requests: value.requests };
}
