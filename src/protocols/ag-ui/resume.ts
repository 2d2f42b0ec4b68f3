import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { validate } from '../../http/validate.ts';
import type { Json } from '../../lib/json.ts';
import { jsonObjectSchema, jsonSchema } from '../../stream/message.ts';
import {
  decisionKindSchema,
  type Answers,
  type Decision,
  type Verdict,
} from '../../stream/pending-action.ts';
import { parseInterruptId, type InterruptKind, type InterruptRef } from './interrupts.ts';

/** From `resume[]` to a verdict on the pending action: by ids alone, whatever history the client sends along. */

const words = z.string().max(10_000);

export const resumeEntrySchema = z.object({
  interruptId: z.string().max(1_024),
  status: z.enum(['resolved', 'cancelled']),
  payload: z.unknown().optional(),
});
export type ResumeEntry = z.infer<typeof resumeEntrySchema>;

export interface Resumption {
  actionId: string;
  /** Every entry says cancelled: the person will not answer. */
  abandoned: boolean;
  /** Null: questions that are abandoned have no answer, nor has what a graph asks in its own form. */
  verdict: Verdict | null;
}

const choiceSchema = z.object({
  approved: z.boolean().optional(),
  decision: decisionKindSchema.optional(),
  editedArgs: jsonObjectSchema.optional(),
  responseText: words.optional(),
  reason: words.optional(),
  scope: z.enum(['once', 'conversation', 'always']).optional(),
});
type Choice = z.infer<typeof choiceSchema>;

const payloadSchema = z.union([
  z.boolean().transform((approved): Choice => ({ approved })),
  decisionKindSchema.transform((decision): Choice => ({ decision })),
  choiceSchema,
]);

const said = z.union([words, z.array(words).max(100)]);
const answerSchema = z.union([said, z.object({ answer: said }).transform(({ answer }) => answer)]);

/** Throws INVALID_REQUEST where the entries answer nothing, or more than one action. */
export function decodeResume(entries: readonly ResumeEntry[]): Resumption {
  const refs = entries.map(({ interruptId }) => refOf(interruptId));
  const [first] = refs;
  if (!first) throw invalid('resume must not be empty.');
  const { actionId, kind } = first;
  if (refs.some((ref) => ref.actionId !== actionId || ref.kind !== kind)) {
    throw invalid('resume answers interrupts of more than one pause.');
  }
  const abandoned = entries.every(({ status }) => status === 'cancelled');
  if (kind === 'custom') {
    if (abandoned) return { actionId, abandoned, verdict: null };
    return { actionId, abandoned, verdict: { response: responseOf(entries) } };
  }
  const items = entries.map((entry, index) => ({ entry, item: refs[index]?.item ?? '' }));
  if (kind !== 'ask') {
    const decisions = items.map(({ entry, item }) => decisionOf(entry, kind, item));
    return { actionId, abandoned, verdict: { decisions } };
  }
  if (abandoned) return { actionId, abandoned, verdict: null };
  return { actionId, abandoned, verdict: { answers: answersOf(items) } };
}

/** The payload of the one entry, as it stands. */
function responseOf([entry, ...others]: readonly ResumeEntry[]): Json {
  const response = jsonSchema.safeParse(entry?.payload);
  if (response.success && others.length === 0) return response.data;
  throw invalid('resume: one payload is wanted, the response as JSON.');
}

function invalid(message: string): AppError {
  return new AppError('INVALID_REQUEST', message);
}

function refOf(interruptId: string): InterruptRef {
  const ref = parseInterruptId(interruptId);
  if (!ref) throw invalid('resume: an interruptId is none of ours.');
  return ref;
}

function decisionOf(entry: ResumeEntry, kind: InterruptKind, toolCallId: string): Decision {
  if (entry.status === 'cancelled') {
    return { toolCallId, decision: kind === 'recover' ? 'skip' : 'reject' };
  }
  const { approved, decision, ...rest } = validate(payloadSchema, entry.payload);
  const implied = kind === 'call' ? impliedBy(approved, rest) : undefined;
  const chosen = decision ?? implied;
  if (chosen === undefined) throw invalid('resume: a payload says neither decision nor approved.');
  if (
    implied !== undefined &&
    decision !== undefined &&
    (implied === 'reject') !== (decision === 'reject')
  ) {
    throw invalid('resume: decision and approved contradict each other.');
  }
  return { toolCallId, decision: chosen, ...rest };
}

function impliedBy(
  approved: boolean | undefined,
  { editedArgs }: Choice,
): Decision['decision'] | undefined {
  if (approved === undefined) return undefined;
  if (!approved) return 'reject';
  return editedArgs === undefined ? 'approve' : 'edit';
}

function answersOf(items: { entry: ResumeEntry; item: string }[]): Answers {
  const answers = new Map<string, string | string[]>();
  for (const { entry, item } of items) {
    if (entry.status === 'cancelled') {
      throw invalid('resume: questions of one pause are answered, or cancelled, together.');
    }
    if (answers.has(item)) throw invalid('resume: one answer for each question.');
    answers.set(item, validate(answerSchema, entry.payload));
  }
  return Object.fromEntries(answers);
}
