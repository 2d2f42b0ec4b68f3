import { AppError } from '../errors.ts';
import type { AppContext } from './context.ts';

/** Throws UNAVAILABLE from SIGTERM on: new work is for another server. */
export function refuseWhileDraining({ isDraining }: Pick<AppContext, 'isDraining'>): void {
  if (!isDraining()) return;
  throw new AppError('UNAVAILABLE', 'This server is stopping; try again.', {
    headers: { 'Retry-After': '1', Connection: 'close' },
  });
}
