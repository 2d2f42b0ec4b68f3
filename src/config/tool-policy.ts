import { z } from 'zod';
import { OPEN_POLICY, toolPolicySchema, type ToolPolicy } from '../hitl/tool-policy.ts';

function parse(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    // A SyntaxError, whose message quotes the text: not passed on.
    return undefined;
  }
}

/** The service's policy as JSON; every fault is told with its place in it. */
export const toolPolicyText = z
  .string()
  .optional()
  .transform((text, ctx): ToolPolicy => {
    if (text === undefined) return OPEN_POLICY;
    const parsed = parse(text);
    if (parsed === undefined) {
      ctx.addIssue({ code: 'custom', message: 'is no policy in JSON: it is no JSON at all' });
      return z.NEVER;
    }
    const read = toolPolicySchema.safeParse(parsed.value);
    if (read.success) return read.data;
    for (const { path, message } of read.error.issues) {
      const place = path.length > 0 ? `${path.join('.')}: ` : '';
      ctx.addIssue({ code: 'custom', message: `is no policy in JSON: ${place}${message}` });
    }
    return z.NEVER;
  });
