import type { Express, Request, Response } from 'express';
import type { z } from 'zod';
import { AppError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Owner } from '../stream/job.ts';
import type { Authenticator } from './auth.ts';
import { answerOptions } from './cors.ts';
import { factsOf } from './request-facts.ts';
import type { Identity } from './tokens.ts';

export interface Call {
  req: Request;
  res: Response;
}

export interface UserCall extends Call {
  owner: Owner;
  identity: Identity;
}

export interface Answer {
  about: string;
  /** Absent: no body. A content type: a body that no schema describes. */
  body?: z.ZodType | { contentType: string };
  headers?: string[];
}

/** What the OpenAPI document says of a route. */
export interface RouteDoc {
  summary: string;
  description?: string;
  body?: z.ZodType;
  query?: z.ZodObject;
  headers?: Record<string, string>;
  answers: Record<number, Answer>;
  /** Beyond those that every route of its kind can give. */
  errors?: ErrorCode[];
}

export interface RefusalForm {
  body: (error: AppError) => JsonObject;
  /** Of that body, for the OpenAPI document. */
  schema: z.ZodType;
}

interface RouteBase {
  method: 'get' | 'post' | 'patch' | 'delete';
  /** Express's pattern. */
  path: string;
  /** Refusals in another form than ours: of protocols that have their own. */
  refusals?: RefusalForm;
  tag:
    | 'chat'
    | 'approvals'
    | 'conversations'
    | 'agents'
    | 'usage'
    | 'files'
    | 'me'
    | 'auth'
    | 'ops'
    | 'ai-sdk'
    | 'ag-ui'
    | 'openai';
  doc: RouteDoc;
}

type Handler<C> = (call: C) => Promise<void> | void;

export type Route = RouteBase &
  ({ access: 'public'; handle: Handler<Call> } | { access: 'user'; handle: Handler<UserCall> });

async function run(route: Route, call: Call, authenticator: Authenticator): Promise<void> {
  const facts = factsOf(call.res);
  facts.route = route.path;
  facts.refusalBody = route.refusals?.body;
  if (route.access === 'public') return route.handle(call);
  const identity = await authenticator.identify(call.req);
  const { tenantId, userId } = identity;
  return route.handle({ ...call, identity, owner: { tenantId, userId } });
}

function methodsOf(routes: Route[]): string {
  const own = routes.map((route) => route.method.toUpperCase());
  return [...own, ...(own.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
}

/** Mounts the routes; every other method of their paths answers 405 with `Allow`, OPTIONS 204. */
export function mountRoutes(app: Express, routes: Route[], authenticator: Authenticator): void {
  for (const path of new Set(routes.map((route) => route.path))) {
    const group = routes.filter((route) => route.path === path);
    const mounted = app.route(path);
    for (const route of group) {
      mounted[route.method]((req: Request, res: Response) =>
        run(route, { req, res }, authenticator),
      );
    }
    const methods = methodsOf(group);
    mounted.all((req: Request, res: Response) => {
      const facts = factsOf(res);
      facts.route = path;
      facts.refusalBody = group[0]?.refusals?.body;
      if (req.method === 'OPTIONS') return answerOptions(req, res, methods);
      throw new AppError('METHOD_NOT_ALLOWED', `Allowed here: ${methods}.`, {
        headers: { Allow: methods },
      });
    });
  }
}

/** A parameter of the path; express-types allow lists for wildcards, which no route here has. */
export function pathParam(req: Request, name: string): string {
  const value: unknown = req.params[name];
  return typeof value === 'string' ? value : '';
}
