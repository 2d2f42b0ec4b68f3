import { createHmac, randomBytes } from 'node:crypto';
import { createRemoteJWKSet, errors, jwtVerify, SignJWT } from 'jose';
import type { JWTPayload, JWTVerifyOptions } from 'jose';
import { z } from 'zod';
import type { AuthConfig } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';

/** Who somebody is, as a token says. */
export interface Identity {
  tenantId: string;
  userId: string;
  roles: string[];
  /** Epoch seconds; null: the token has no end of its own. */
  expiresAt: number | null;
}

export interface Tokens {
  /** The identity of a bearer token; throws UNAUTHENTICATED. */
  bearer(token: string): Promise<Identity>;
  /** The identity of a session cookie; throws UNAUTHENTICATED. */
  session(token: string): Promise<Identity>;
  /** A session for an identity, never longer than its token. */
  issue(identity: Identity): Promise<{ token: string; expiresAt: number }>;
}

type JwtConfig = Extract<AuthConfig, { mode: 'jwt' }>;

const TOLERANCE_SECONDS = 5;
const SESSION_SECONDS = 12 * 3_600;
const SESSION_AUDIENCE = 'holdfast-session';
/** Public-key algorithms only: an HMAC over a public key must never pass. */
const JWKS_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];

const printable = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^\p{Cc}\p{Surrogate}]+$/u);
const claimsSchema = z.object({
  sub: printable,
  tenant: printable.optional(),
  roles: z.array(printable).max(100).optional(),
  exp: z.number().optional(),
});

export function unauthenticated(tokenGiven: boolean): AppError {
  const challenge = `Bearer realm="holdfast"${tokenGiven ? ', error="invalid_token"' : ''}`;
  const message = tokenGiven ? 'The token is not valid.' : 'A bearer token is needed.';
  return new AppError('UNAUTHENTICATED', message, { headers: { 'WWW-Authenticate': challenge } });
}

function identityOf(payload: JWTPayload): Identity {
  const claims = claimsSchema.safeParse(payload);
  if (!claims.success) throw unauthenticated(true);
  const { sub, tenant, roles, exp } = claims.data;
  return {
    tenantId: tenant ?? 'default',
    userId: sub,
    roles: roles ?? [],
    expiresAt: exp ?? null,
  };
}

/** The key set can't be had: our trouble, not the caller's. Everything else that fails is about the token. */
function isOutage(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true;
  const badKeySet = error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid;
  return badKeySet || error.code === 'ERR_JOSE_GENERIC';
}

async function checked(
  verified: Promise<{ payload: JWTPayload }>,
  keysAreRemote: boolean,
): Promise<Identity> {
  try {
    return identityOf((await verified).payload);
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (!keysAreRemote || !isOutage(error)) throw unauthenticated(true);
    throw new AppError('UNAVAILABLE', 'Tokens cannot be checked at the moment.', {
      cause: error,
      headers: { 'Retry-After': '2' },
    });
  }
}

type Verify = (token: string, options: JWTVerifyOptions) => Promise<{ payload: JWTPayload }>;

function verifier(config: JwtConfig): Verify {
  if ('secret' in config) {
    const key = new TextEncoder().encode(config.secret);
    return (token, options) => jwtVerify(token, key, { ...options, algorithms: ['HS256'] });
  }
  const keys = createRemoteJWKSet(new URL(config.jwksUrl), { timeoutDuration: 3_000 });
  return (token, options) => jwtVerify(token, keys, { ...options, algorithms: JWKS_ALGORITHMS });
}

function sessionKey(config: JwtConfig): Uint8Array {
  const base =
    config.sessionSecret ?? ('secret' in config ? config.secret : randomBytes(32).toString('hex'));
  // A key of its own: a session must not pass as a bearer token, nor a token as a session.
  return createHmac('sha256', base).update('holdfast session v1').digest();
}

export function createTokens(deps: { config: JwtConfig; clock: Clock }): Tokens {
  const { config, clock } = deps;
  const verify = verifier(config);
  const key = sessionKey(config);
  const common = (): JWTVerifyOptions => ({
    clockTolerance: TOLERANCE_SECONDS,
    currentDate: new Date(clock.now()),
    requiredClaims: ['sub'],
  });
  const bearerRules: JWTVerifyOptions = {
    ...(config.issuer === null ? {} : { issuer: config.issuer }),
    ...(config.audience === null ? {} : { audience: config.audience }),
  };
  const remote = 'jwksUrl' in config;
  return {
    bearer: (token) => checked(verify(token, { ...common(), ...bearerRules }), remote),
    session: (token) => {
      const rules = { ...common(), algorithms: ['HS256'], audience: SESSION_AUDIENCE };
      return checked(jwtVerify(token, key, { ...rules, requiredClaims: ['sub', 'exp'] }), false);
    },
    issue: async (identity) => {
      const now = Math.floor(clock.now() / 1_000);
      const expiresAt = Math.min(identity.expiresAt ?? Infinity, now + SESSION_SECONDS);
      const token = await new SignJWT({ tenant: identity.tenantId, roles: identity.roles })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject(identity.userId)
        .setAudience(SESSION_AUDIENCE)
        .setIssuedAt(now)
        .setExpirationTime(expiresAt)
        .sign(key);
      return { token, expiresAt };
    },
  };
}
