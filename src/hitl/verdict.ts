import type { ErrorCode } from '../errors.ts';
import { hashOf, type JsonObject } from '../lib/json.ts';
import type { Answers, Decision, PendingAction, Verdict } from '../stream/pending-action.ts';
import { responseFaults } from './response-check.ts';

/** Is this an answer to what is asked? Pure; the order of the checks is that of PROTOCOL.md section 4. */

export interface VerdictRefusal {
  code: ErrorCode;
  message: string;
  details: JsonObject;
}

/** As a client may give it: `answer` where there is one question. */
export type GivenVerdict = Verdict | { answer: string };

/**
 * Says what is wrong with edited arguments; undefined: nothing. The tool's own schema decides; `shown` is the one that the
 * action has.
 */
export type ArgsCheck = (
  name: string,
  args: JsonObject,
  shown: JsonObject | undefined,
) => string | undefined;

type Calls = Extract<PendingAction, { requests: unknown }>;
type Questions = Extract<PendingAction, { questions: unknown }>;
type Custom = Extract<PendingAction, { kind: 'custom' }>;

export function checkVerdict(
  action: PendingAction,
  given: GivenVerdict,
  checkArgs: ArgsCheck,
): { verdict: Verdict } | { refusal: VerdictRefusal } {
  if (action.kind === 'custom') return checkResponse(action, given);
  if (action.kind === 'ask_user_question') {
    const answers = toAnswers(action, given);
    const refusal = answers ? checkAnswers(action, answers) : incomplete('Answers are wanted.', {});
    return refusal || !answers
      ? { refusal: refusal ?? incomplete('Answers are wanted.', {}) }
      : { verdict: { answers } };
  }
  const decisions = 'decisions' in given ? given.decisions : [];
  const refusal = checkDecisions(action, decisions, checkArgs);
  return refusal ? { refusal } : { verdict: { decisions } };
}

function incomplete(message: string, details: JsonObject): VerdictRefusal {
  return { code: 'INCOMPLETE_DECISION', message, details };
}

function checkResponse(
  { responseSchema }: Custom,
  given: GivenVerdict,
): { verdict: Verdict } | { refusal: VerdictRefusal } {
  if (!('response' in given)) return { refusal: incomplete('A response is wanted.', {}) };
  const { response } = given;
  const faults = responseFaults(response, responseSchema);
  if (faults.length === 0) return { verdict: { response } };
  const message = 'The response is not what is asked for.';
  return { refusal: { code: 'RESPONSE_INVALID', message, details: { faults } } };
}

function toAnswers(action: Questions, given: GivenVerdict): Answers | undefined {
  if ('answers' in given) return given.answers;
  const [only, ...more] = action.questions;
  if ('answer' in given && only && more.length === 0) return { [only.id]: given.answer };
  return undefined;
}

function checkDecisions(
  action: Calls,
  decisions: Decision[],
  checkArgs: ArgsCheck,
): VerdictRefusal | undefined {
  return (
    covers(action, decisions) ??
    allowed(action, decisions) ??
    complete(decisions) ??
    valid(action, decisions, checkArgs)
  );
}

function covers({ requests }: Calls, decisions: Decision[]): VerdictRefusal | undefined {
  const asked = requests.map((request) => request.toolCallId);
  const given = decisions.map((decision) => decision.toolCallId);
  const undecided = asked.filter((id) => !given.includes(id));
  if (undecided.length > 0) {
    return { code: 'UNDECIDED', message: 'Every call wants a decision.', details: { undecided } };
  }
  const unknown = given.filter((id) => !asked.includes(id));
  if (unknown.length > 0) {
    return { code: 'UNKNOWN_TOOL_CALL', message: 'No such call is waiting.', details: { unknown } };
  }
  const twice = given.filter((id, index) => given.indexOf(id) !== index);
  if (twice.length > 0) {
    return {
      code: 'DUPLICATE_DECISION',
      message: 'One decision per call.',
      details: { duplicate: twice },
    };
  }
  return undefined;
}

function requestOf({ requests }: Calls, toolCallId: string): Calls['requests'][number] | undefined {
  return requests.find((request) => request.toolCallId === toolCallId);
}

function allowed(action: Calls, decisions: Decision[]): VerdictRefusal | undefined {
  const disallowed = decisions
    .filter(({ toolCallId, decision, scope = 'once' }) => {
      const request = requestOf(action, toolCallId);
      const remembers = scope !== 'once' && request?.mayRemember === false;
      return remembers || !request?.allowedDecisions.includes(decision);
    })
    .map(({ toolCallId, decision }) => ({ toolCallId, decision }));
  if (disallowed.length === 0) return undefined;
  return {
    code: 'DECISION_NOT_ALLOWED',
    message: 'That may not be decided here.',
    details: { disallowed },
  };
}

function complete(decisions: Decision[]): VerdictRefusal | undefined {
  for (const { toolCallId, decision, editedArgs, responseText } of decisions) {
    if (decision === 'edit' && !editedArgs) {
      return incomplete('An edit wants editedArgs.', { toolCallId });
    }
    if (decision === 'respond' && !responseText?.trim()) {
      return incomplete('A response wants responseText.', { toolCallId });
    }
  }
  return undefined;
}

function valid(
  action: Calls,
  decisions: Decision[],
  checkArgs: ArgsCheck,
): VerdictRefusal | undefined {
  for (const { toolCallId, decision, editedArgs } of decisions) {
    const request = requestOf(action, toolCallId);
    if (decision !== 'edit' || !editedArgs || !request) continue;
    const message = checkArgs(request.name, editedArgs, request.argsSchema);
    if (message !== undefined)
      return { code: 'EDITED_ARGS_INVALID', message, details: { toolCallId } };
  }
  return undefined;
}

function checkAnswers({ questions }: Questions, answers: Answers): VerdictRefusal | undefined {
  const ids = questions.map((question) => question.id);
  const unanswered = ids.filter((id) => !isAnswer(answers[id]));
  if (unanswered.length > 0) return incomplete('Every question wants an answer.', { unanswered });
  const unknown = Object.keys(answers).filter((id) => !ids.includes(id));
  if (unknown.length > 0) return incomplete('No such question is asked.', { unknown });
  for (const question of questions) {
    const answer = answers[question.id] ?? '';
    if (Array.isArray(answer) && !question.multiSelect) {
      return incomplete('One answer is wanted.', { questionId: question.id });
    }
    if (question.freeText !== false || !question.options) continue;
    const options = new Set(question.options.map(({ label, value }) => value ?? label));
    if (![answer].flat().every((it) => options.has(it))) {
      return incomplete('One of the options is wanted.', { questionId: question.id });
    }
  }
  return undefined;
}

function isAnswer(answer: string | string[] | undefined): boolean {
  if (answer === undefined) return false;
  return Array.isArray(answer)
    ? answer.length > 0 && answer.every((it) => it.trim() !== '')
    : answer.trim() !== '';
}

/** What was given, in the form of the verdict that was accepted; undefined: of another kind. */
export function normalise(given: GivenVerdict, accepted: Verdict | null): Verdict | undefined {
  if ('decisions' in given) return { decisions: given.decisions };
  if ('answers' in given) return { answers: given.answers };
  if ('response' in given) return { response: given.response };
  const [only, ...more] = accepted && 'answers' in accepted ? Object.keys(accepted.answers) : [];
  return only !== undefined && more.length === 0
    ? { answers: { [only]: given.answer } }
    : undefined;
}

/** The same for the same verdict, whatever the order of its decisions. `scope` once is as good as none. */
export function verdictHash(verdict: Verdict): string {
  if ('answers' in verdict) return hashOf({ answers: verdict.answers });
  if ('response' in verdict) return hashOf({ response: verdict.response });
  const decisions = verdict.decisions
    .map(({ scope, ...rest }) =>
      scope === undefined || scope === 'once' ? rest : { ...rest, scope },
    )
    .toSorted((a, b) => (a.toolCallId < b.toolCallId ? -1 : 1));
  return hashOf({ decisions });
}
