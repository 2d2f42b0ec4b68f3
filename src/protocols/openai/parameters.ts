import { z } from 'zod';
import { unsupported } from './refusals.ts';

/**
 * Parameters of OpenAI's that are not ours. How an agent's model samples, and how long it may talk, is the agent's
 * own affair: such hints are accepted and left alone. What would change the form or the meaning of the answer is
 * refused, unless it says what is so anyway.
 */

const hint = z.unknown().optional().meta({ description: 'Accepted, without effect.' });

export const HINTS = {
  temperature: hint,
  top_p: hint,
  user: hint,
  metadata: hint,
  service_tier: hint,
  safety_identifier: hint,
  prompt_cache_key: hint,
  prompt_cache_options: hint,
  prompt_cache_retention: hint,
  parallel_tool_calls: hint,
};

export const CHAT_HINTS = {
  ...HINTS,
  max_tokens: hint,
  max_completion_tokens: hint,
  frequency_penalty: hint,
  presence_penalty: hint,
  seed: hint,
  store: hint,
  prediction: hint,
  reasoning_effort: hint,
  verbosity: hint,
};

export const RESPONSE_HINTS = {
  ...HINTS,
  max_output_tokens: hint,
  max_tool_calls: hint,
  reasoning: hint,
  include: hint,
  truncation: hint,
};

/** What a parameter may say, and why nothing else. */
interface Neutral {
  is: z.ZodType;
  why: string;
}

const OWN_TOOLS = "An agent's tools are the server's: none can be given.";
const ONLY_TEXT = 'Only plain text is answered.';
const NOT_HERE = 'This is not available here.';

const nothing = z.union([z.null(), z.undefined()]);
const noneOf = z.union([nothing, z.array(z.unknown()).max(0)]);
const choice = z.union([nothing, z.literal(['auto', 'none'])]);

const NEUTRAL: Record<string, Neutral> = {
  tools: { is: noneOf, why: OWN_TOOLS },
  tool_choice: { is: choice, why: OWN_TOOLS },
  top_logprobs: { is: z.union([nothing, z.literal(0)]), why: NOT_HERE },
  moderation: { is: nothing, why: NOT_HERE },
};

export const CHAT_NEUTRAL: Record<string, Neutral> = {
  ...NEUTRAL,
  functions: { is: noneOf, why: OWN_TOOLS },
  function_call: { is: choice, why: OWN_TOOLS },
  n: { is: z.union([nothing, z.literal(1)]), why: 'There is one answer.' },
  stop: { is: noneOf, why: 'An answer can not be ended by its words.' },
  logit_bias: { is: z.union([nothing, z.strictObject({})]), why: NOT_HERE },
  logprobs: { is: z.union([nothing, z.literal(false)]), why: NOT_HERE },
  response_format: {
    is: z.union([nothing, z.strictObject({ type: z.literal('text') })]),
    why: ONLY_TEXT,
  },
  modalities: { is: z.union([nothing, z.tuple([z.literal('text')])]), why: ONLY_TEXT },
  audio: { is: nothing, why: ONLY_TEXT },
  web_search_options: { is: nothing, why: OWN_TOOLS },
};

export const RESPONSE_NEUTRAL: Record<string, Neutral> = {
  ...NEUTRAL,
  text: {
    is: z.union([
      nothing,
      z.object({
        format: z.union([nothing, z.strictObject({ type: z.literal('text') })]),
      }),
    ]),
    why: ONLY_TEXT,
  },
  prompt: { is: nothing, why: NOT_HERE },
  context_management: { is: noneOf, why: NOT_HERE },
};

/** Their names for a strict schema; `refuseOthers` looks at what they say. */
export function neutralShape(neutral: Record<string, Neutral>) {
  const names = Object.entries(neutral).map(([name, { why }]) => {
    return [name, z.unknown().optional().meta({ description: why })] as const;
  });
  return Object.fromEntries(names);
}

/** Throws a 400 for the first parameter that asks for what can't be had. */
export function refuseOthers(
  body: Readonly<Record<string, unknown>>,
  neutral: Record<string, Neutral>,
): void {
  for (const [name, { is, why }] of Object.entries(neutral)) {
    if (!is.safeParse(body[name]).success) throw unsupported(name, why);
  }
}
