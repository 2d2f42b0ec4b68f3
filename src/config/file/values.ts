import { z } from 'zod';
import { parseDuration } from '../values.ts';

/** Small forms of the configuration file. Messages complete the sentence "<path>: …". */

/** Milliseconds, from `500ms`, `10s`, `5m`, `24h`, `7d`. */
export function durationText(least: string, most: string) {
  const accepts = `must be a duration such as 500ms, 10s, 5m, 24h or 7d, from ${least} to ${most}`;
  return z.string(accepts).transform((text, ctx): number => {
    const ms = parseDuration(text);
    const min = parseDuration(least) ?? 0;
    const max = parseDuration(most) ?? Number.MAX_SAFE_INTEGER;
    if (ms !== undefined && ms >= min && ms <= max) return ms;
    ctx.addIssue({ code: 'custom', message: accepts });
    return z.NEVER;
  });
}

/** What clients and other parts of the file name it by. */
export const idText = z
  .string()
  .max(100)
  .regex(/^[\w.-]+$/, 'must be letters, digits, - _ and .');

/** A secret never stands in the file: `${NAME}` names the environment variable that has it. */
export const secretText = z
  .string()
  .regex(
    /^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/,
    'must be a reference such as ${MY_KEY}, not the secret itself',
  );

export const httpUrl = z
  .string()
  .refine(
    (text) => /^https?:/.test(text) && URL.canParse(text),
    'must be an http:// or https:// URL',
  );

/** `provider:model`, where the provider is a built-in one or one of the file. */
export const modelText = z
  .string()
  .regex(/^(?:demo|[\w.-]+:[^\s:]\S{0,199})$/, 'must be demo or provider:model');

/** A JavaScript regular expression, without flags of its own; matched without regard to case. */
export const regexText = z
  .string()
  .min(1)
  .max(1_000)
  .refine((text) => {
    try {
      return new RegExp(text, 'iu') instanceof RegExp;
    } catch {
      // SyntaxError: that is the answer.
      return false;
    }
  }, 'must be a regular expression');

export const count = (most: number) => z.number().int().min(1).max(most);
