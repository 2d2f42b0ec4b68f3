import type { Protocol } from '../config/values.ts';
import type { AppContext } from '../http/context.ts';
import type { Route } from '../http/route.ts';
import { agUiRoutes } from './ag-ui/routes.ts';
import { aiSdkRoutes } from './ai-sdk/routes.ts';
import { openaiRoutes } from './openai/routes.ts';

const ROUTES: Record<Protocol, (ctx: AppContext) => Route[]> = {
  'ai-sdk': aiSdkRoutes,
  'ag-ui': agUiRoutes,
  openai: openaiRoutes,
};

/** The routes of the protocols that are switched on (docs/PROTOCOL.md section 10). */
export function protocolRoutes(ctx: AppContext): Route[] {
  return ctx.config.protocols.flatMap((name) => ROUTES[name](ctx));
}
