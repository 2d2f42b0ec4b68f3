import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { checkText } from './chat-request.ts';
import { neutralShape, RESPONSE_HINTS, RESPONSE_NEUTRAL } from './parameters.ts';
import { invalid } from './refusals.ts';
import { contentSchema, textOf } from './text-content.ts';

/** The body of `POST /v1/responses`, and what is in it for us. Pure. */

const MAX_ITEMS = 1_000;
const words = z.string().max(10_000);

const message = z.looseObject({
  type: z.literal('message').optional(),
  role: z.enum(['user', 'system', 'developer', 'assistant']),
  content: contentSchema,
});
const approval = z.looseObject({
  type: z.literal('mcp_approval_response'),
  approval_request_id: z.string().max(200),
  approve: z.boolean(),
  reason: words.nullish(),
});
const output = z.looseObject({
  type: z.literal('function_call_output'),
  call_id: z.string().max(200),
  output: contentSchema,
});
const itemSchema = z.union([approval, output, message], {
  error: 'Neither a message nor an answer to what is asked',
});
type GivenItem = z.infer<typeof itemSchema>;

const id = z.string().min(1).max(200);

export const responseBodySchema = z
  .strictObject({
    model: id.nullish().meta({ description: 'The id of an agent; without one the default.' }),
    input: z.union([z.string(), z.array(itemSchema).min(1).max(MAX_ITEMS)]),
    instructions: z.string().nullish(),
    previous_response_id: id.nullish().meta({ description: 'Its conversation goes on.' }),
    conversation: z
      .union([id, z.strictObject({ id })])
      .nullish()
      .meta({ description: 'One that is there already.' }),
    store: z
      .boolean()
      .nullish()
      .meta({ description: 'false: a new conversation is a temporary one.' }),
    background: z.boolean().nullish(),
    stream: z.boolean().nullish(),
    stream_options: z.strictObject({ include_obfuscation: z.boolean().nullish() }).nullish(),
    ...RESPONSE_HINTS,
    ...neutralShape(RESPONSE_NEUTRAL),
  })
  .meta({
    examples: [
      { model: 'demo', input: 'say 5 10' },
      {
        previous_response_id: 'resp_1',
        input: [
          { type: 'mcp_approval_response', approval_request_id: 'mcpr_act_1_0', approve: true },
        ],
      },
    ],
  });
export type ResponseBody = z.infer<typeof responseBodySchema>;

export type GivenAnswer = z.infer<typeof approval> | z.infer<typeof output>;

/** Something new that the user says, or answers to what a response waits for. */
export type ResponseInput =
  { kind: 'turn'; text: string } | { kind: 'answers'; answers: GivenAnswer[] };

const GAP = '\n\n';

function isAnswer(item: GivenItem): item is GivenAnswer {
  return item.type === 'mcp_approval_response' || item.type === 'function_call_output';
}

function said(item: GivenItem, index: number): string {
  if (isAnswer(item)) throw invalid('input', 'Answers and messages can not come together.');
  if (item.role === 'assistant') {
    throw invalid(
      `input.${index}`,
      'What was said is kept here: give previous_response_id, or use chat completions.',
    );
  }
  return textOf(item.content, `input.${index}.content`);
}

/**
 * There is no message of a system here: instructions are put in front of what the user says. Throws a 400 where it is
 * neither a turn nor an answer.
 */
export function responseInput(body: ResponseBody, limits: { textChars: number }): ResponseInput {
  const { input, instructions } = body;
  if (typeof input !== 'string') {
    const answers = input.filter((item) => isAnswer(item));
    if (answers.length === input.length) return { kind: 'answers', answers };
  }
  const own = typeof input === 'string' ? [input] : input.map(said);
  checkText(own.join(GAP), { param: 'input', ...limits });
  const text = [instructions ?? '', ...own].filter((it) => it !== '').join(GAP);
  checkText(text, { param: 'input', ...limits });
  return { kind: 'turn', text };
}

/** What goes on. Throws where it is said twice. */
export function conversationGiven(body: ResponseBody): string | undefined {
  const { conversation, previous_response_id: previous } = body;
  if (conversation === null || conversation === undefined) return undefined;
  if (previous) {
    throw new AppError(
      'INVALID_REQUEST',
      'conversation and previous_response_id exclude each other.',
      { details: { param: 'conversation' } },
    );
  }
  return typeof conversation === 'string' ? conversation : conversation.id;
}
