import type { Request } from 'express';
import type { AuthConfig } from '../config/config.ts';
import { isLoopback } from '../config/values.ts';
import { AppError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { isAllowedOrigin } from './cors.ts';
import { readSessionCookie } from './session-cookie.ts';
import { createTokens, unauthenticated } from './tokens.ts';
import type { Identity, Tokens } from './tokens.ts';

export interface Authenticator {
  /** Who calls. Throws UNAUTHENTICATED, or FORBIDDEN_ORIGIN where a browser's own authority is used from elsewhere. */
  identify(req: Request): Promise<Identity>;
  /** The identity of the bearer token alone, no cookie. */
  identifyBearer(req: Request): Promise<Identity>;
  /** Throws FORBIDDEN_ORIGIN where a page of another origin sent this. */
  refuseForeignPage(req: Request): void;
  /** Null in dev mode: there is nothing to sign in to. */
  issueSession: Tokens['issue'] | null;
}

export interface AuthDeps {
  auth: AuthConfig;
  allowedOrigins: readonly string[];
  clock: Clock;
}

const LOCAL_USER: Identity = {
  tenantId: 'default',
  userId: 'local',
  roles: [],
  expiresAt: null,
};

function forbiddenOrigin(): AppError {
  return new AppError('FORBIDDEN_ORIGIN', 'Pages of this origin may not do this.');
}

function changesState(req: Request): boolean {
  return req.method !== 'GET' && req.method !== 'HEAD';
}

function hostName(req: Request): string {
  return (req.get('host') ?? 'localhost').replace(/:\d*$/, '');
}

/** In dev mode whoever reaches us is the user, so a page must not reach us through its visitor's browser. */
function devAuthenticator(deps: AuthDeps, anyHost: boolean): Authenticator {
  const refuseForeignPage = (req: Request): void => {
    const foreign = req.get('origin') !== undefined && !isAllowedOrigin(req, deps.allowedOrigins);
    if (foreign) throw forbiddenOrigin();
  };
  const identify = (req: Request): Promise<Identity> => {
    // A name that somebody else's DNS points at 127.0.0.1 would make their page same-origin.
    if (!anyHost && !isLoopback(hostName(req))) throw forbiddenOrigin();
    if (changesState(req)) refuseForeignPage(req);
    return Promise.resolve(LOCAL_USER);
  };
  return { identify, identifyBearer: identify, refuseForeignPage, issueSession: null };
}

function bearerOf(header: string): string {
  const [, token] = /^Bearer +([A-Za-z0-9._~+/=-]{1,16384})$/i.exec(header) ?? [];
  if (token === undefined) throw unauthenticated(true);
  return token;
}

function jwtAuthenticator(deps: AuthDeps, tokens: Tokens): Authenticator {
  const identifyBearer = async (req: Request): Promise<Identity> => {
    const header = req.get('authorization');
    if (header === undefined) throw unauthenticated(false);
    return tokens.bearer(bearerOf(header));
  };
  return {
    identifyBearer,
    identify: async (req) => {
      const cookie = readSessionCookie(req.get('cookie'));
      if (req.get('authorization') !== undefined || cookie === undefined) {
        return identifyBearer(req);
      }
      const identity = await tokens.session(cookie);
      if (changesState(req) && !isAllowedOrigin(req, deps.allowedOrigins)) throw forbiddenOrigin();
      return identity;
    },
    refuseForeignPage: (req) => {
      const foreign = req.get('origin') !== undefined && !isAllowedOrigin(req, deps.allowedOrigins);
      if (foreign) throw forbiddenOrigin();
    },
    issueSession: (identity) => tokens.issue(identity),
  };
}

export function createAuthenticator(deps: AuthDeps): Authenticator {
  const { auth, clock } = deps;
  if (auth.mode === 'dev') return devAuthenticator(deps, auth.anyHost);
  return jwtAuthenticator(deps, createTokens({ config: auth, clock }));
}
