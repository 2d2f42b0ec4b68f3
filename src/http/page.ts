import type { Request } from 'express';
import type { PageRequest } from '../stream/conversation-store.ts';
import { pageQuerySchema } from './schemas.ts';
import { validate } from './validate.ts';

/** Which page of a list is asked for. */
export function pageOf(req: Request): PageRequest {
  const { limit, cursor } = validate(pageQuerySchema, req.query);
  return { limit, cursor: cursor === '' ? undefined : cursor };
}
