import { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { RefusalForm } from '../../http/route.ts';
import type { JsonObject } from '../../lib/json.ts';

/** Refusals as OpenAI's clients know them: they make their typed errors of the status and this body. */

const errorSchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    code: z.string().nullable(),
    param: z.string().nullable(),
  }),
});

function typeOf(status: number): string {
  if (status >= 500) return 'server_error';
  if (status === 429) return 'rate_limit_error';
  if (status === 401) return 'authentication_error';
  return status === 403 ? 'permission_error' : 'invalid_request_error';
}

const issuesSchema = z.object({ issues: z.array(z.object({ path: z.string() })).min(1) });
const ownSchema = z.object({ param: z.string().optional(), code: z.string().optional() });

/** `details` may name a `param`, and a `code` of OpenAI's; else the first key that was found at fault. */
function errorBody({ code, status, message, details = {} }: AppError): JsonObject {
  const own = ownSchema.safeParse(details).data ?? {};
  const issue = issuesSchema.safeParse(details).data?.issues[0];
  const param = own.param ?? issue?.path ?? null;
  return {
    error: {
      message,
      type: typeOf(status),
      code: own.code ?? code.toLowerCase(),
      param: param === '' ? null : param,
    },
  };
}

export const REFUSALS: RefusalForm = { body: errorBody, schema: errorSchema };

/** What `param` asks for can't be had here. */
export function unsupported(param: string, why: string): AppError {
  return new AppError('INVALID_REQUEST', why, {
    details: { param, code: 'unsupported_parameter' },
  });
}

export function invalid(param: string, why: string): AppError {
  return new AppError('INVALID_REQUEST', why, { details: { param, code: 'invalid_value' } });
}

export function unknownModel(model: string): AppError {
  const name = model.length > 100 ? `${model.slice(0, 100)}…` : model;
  return new AppError('NOT_FOUND', `The model '${name}' does not exist.`, {
    details: { param: 'model', code: 'model_not_found' },
  });
}

export function requiresApproval(message: string): AppError {
  return new AppError('AGENT_REQUIRES_APPROVAL', message, { details: { param: 'model' } });
}
