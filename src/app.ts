import express from 'express';
import type { Express, RequestHandler } from 'express';
import helmet from 'helmet';
import { createAgentController } from './controllers/agents.ts';
import { createApprovalController } from './controllers/approvals.ts';
import { createChatController } from './controllers/chat.ts';
import { createConversationController } from './controllers/conversations.ts';
import { createFileController } from './controllers/files.ts';
import { createMeController } from './controllers/me.ts';
import { createOpsController } from './controllers/ops.ts';
import { createPageController } from './controllers/page.ts';
import { createSessionController } from './controllers/session.ts';
import { createStreamController } from './controllers/streams.ts';
import { createUsageController } from './controllers/usage.ts';
import { createAuthenticator } from './http/auth.ts';
import type { Authenticator } from './http/auth.ts';
import type { AppContext } from './http/context.ts';
import { cors } from './http/cors.ts';
import { docsPage } from './http/docs-page.ts';
import { errorHandler, unknownRoute } from './http/error-handler.ts';
import { openApiDocument } from './http/openapi.ts';
import { readPageFiles } from './http/page-files.ts';
import { requestFacts } from './http/request-facts.ts';
import { requestLog } from './http/request-log.ts';
import { mountRoutes } from './http/route.ts';
import type { Route } from './http/route.ts';
import { traceRequests } from './http/trace-requests.ts';
import { protocolRoutes } from './protocols/index.ts';
import { agentRoutes } from './routes/agents.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { authRoutes } from './routes/auth.ts';
import { chatRoutes } from './routes/chat.ts';
import { conversationRoutes } from './routes/conversations.ts';
import { fileRoutes } from './routes/files.ts';
import { meRoutes } from './routes/me.ts';
import { opsRoutes } from './routes/ops.ts';
import { pageRoutes } from './routes/page.ts';
import { usageRoutes } from './routes/usage.ts';

export type { AppContext } from './http/context.ts';

/** Every route of the application; the OpenAPI document and the docs page are made of this list. */
export function createRoutes(ctx: AppContext, authenticator: Authenticator): Route[] {
  const routes: Route[] = [
    ...chatRoutes({
      chat: createChatController(ctx),
      streams: createStreamController(ctx),
      limits: ctx.config.limits,
    }),
    ...approvalRoutes(createApprovalController(ctx)),
    ...conversationRoutes(createConversationController(ctx)),
    ...agentRoutes(createAgentController(ctx)),
    ...usageRoutes(createUsageController(ctx)),
    ...fileRoutes(createFileController(ctx)),
    ...meRoutes(createMeController(ctx)),
    ...protocolRoutes(ctx),
    ...authRoutes(createSessionController({ clock: ctx.clock, authenticator })),
    ...pageRoutes(createPageController({ files: once(() => readPageFiles()) })),
    ...opsRoutes(
      createOpsController({
        ...ctx,
        openApi: () => openApiText(),
        docsPage: () => page(),
      }),
    ),
  ];
  // Rendered at the first request: most processes never show them.
  const document = once(() => openApiDocument(routes));
  const openApiText = once(() => JSON.stringify(document()));
  const page = once(() => docsPage(document()));
  return routes;
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** JSON needs nothing of a page's powers; pages set their own policy. */
function headers(): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    referrerPolicy: { policy: 'no-referrer' },
  });
}

/** Answers are about one user and one moment. A stream sets its own value. */
const noStore: RequestHandler = (_req, res, next) => {
  res.setHeader('Cache-Control', 'no-store');
  next();
};

export function createApp(ctx: AppContext): Express {
  const { config, clock } = ctx;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('case sensitive routing', true);
  app.set('trust proxy', config.server.trustProxy ? 1 : false);

  app.use(requestFacts(ctx));
  app.use(requestLog(ctx));
  if (ctx.tracer?.enabled) app.use(traceRequests(ctx.tracer));
  app.use(headers());
  app.use(cors(config.allowedOrigins));
  app.use(noStore);

  const { auth, allowedOrigins } = config;
  const authenticator = createAuthenticator({ auth, allowedOrigins, clock });
  mountRoutes(app, createRoutes(ctx, authenticator), authenticator);

  app.use(unknownRoute);
  app.use(errorHandler(ctx));
  return app;
}
