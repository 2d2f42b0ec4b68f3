import type { Request } from 'express';
import { AppError } from '../errors.ts';
import { ID_PATTERN } from './schemas.ts';

/** The `Idempotency-Key` header. Throws INVALID_REQUEST where it is none of ours. */
export function idempotencyKeyOf(req: Request): string | undefined {
  const key = req.get('idempotency-key');
  if (key === undefined || ID_PATTERN.test(key)) return key;
  throw new AppError('INVALID_REQUEST', 'Idempotency-Key must be 1 to 128 of A-Z a-z 0-9 _ . : -.');
}
