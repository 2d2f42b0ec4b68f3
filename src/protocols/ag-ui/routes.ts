import type { AppContext } from '../../http/context.ts';
import type { Route } from '../../http/route.ts';

export function agUiRoutes(_ctx: AppContext): Route[] {
  return [];
}
