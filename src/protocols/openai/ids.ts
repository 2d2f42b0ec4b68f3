import { notFound } from '../../errors.ts';

/** OpenAI's ids are other spellings of ours: random, so not to be guessed, and found only by their owner. */

const PREFIX = 'gen_';
const KEY = '[A-Za-z0-9]{1,100}';
const RESPONSE = new RegExp(`^resp_(${KEY})(?:_([1-9]\\d{0,5}))?$`);
const COMPLETION = new RegExp(`^chatcmpl-(${KEY})$`);
const APPROVAL = /^mcpr_(act_[A-Za-z0-9]{1,100})_(0|[1-9]\d{0,5})$/;
const QUESTION = /^call_(act_[A-Za-z0-9]{1,100})$/;

/** What is unique of a generation's id. */
export function keyOf(generationId: string): string {
  return generationId.slice(PREFIX.length);
}

/**
 * A response is a generation from the answer to its `since`th pause on, 0: from its beginning. Each request that lets
 * a generation go on makes one.
 */
export interface ResponseRef {
  generationId: string;
  since: number;
}

export function formatResponseId({ generationId, since }: ResponseRef): string {
  return `resp_${keyOf(generationId)}${since === 0 ? '' : `_${since}`}`;
}

/** Throws NOT_FOUND for what is no id of a response. */
export function parseResponseId(id: string): ResponseRef {
  const [, key, since = '0'] = RESPONSE.exec(id) ?? [];
  if (key === undefined) throw notFound('response');
  return { generationId: PREFIX + key, since: Number(since) };
}

export function formatCompletionId(generationId: string): string {
  return `chatcmpl-${keyOf(generationId)}`;
}

/** The generation; throws NOT_FOUND for what is no id of a chat completion. */
export function parseCompletionId(id: string): string {
  const [, key] = COMPLETION.exec(id) ?? [];
  if (key === undefined) throw notFound('response');
  return PREFIX + key;
}

/** Names one of the calls that an action asks for, by its place in the action. */
export interface ApprovalRef {
  actionId: string;
  index: number;
}

export function formatApprovalId({ actionId, index }: ApprovalRef): string {
  return `mcpr_${actionId}_${index}`;
}

export function parseApprovalId(id: string): ApprovalRef | undefined {
  const [, actionId, index] = APPROVAL.exec(id) ?? [];
  return actionId === undefined ? undefined : { actionId, index: Number(index) };
}

/** The `call_id` of questions: one call for all questions of an action. */
export function formatQuestionId(actionId: string): string {
  return `call_${actionId}`;
}

/** The action. */
export function parseQuestionId(callId: string): string | undefined {
  return QUESTION.exec(callId)?.[1];
}
