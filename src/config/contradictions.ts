import type { Env, Fault, VariableName } from './env.ts';
import { isLoopback } from './values.ts';

/** Settings that are fine each by itself and can't stand together. */

interface Rule {
  /** The variable the fault is reported under, and those it depends on. */
  names: [VariableName, ...VariableName[]];
  broken(env: Env): boolean;
  text: string;
}

const provider = (name: string): ((env: Env) => boolean) => {
  return (env) => [env.MODEL, env.TITLE_MODEL].some((model) => model?.startsWith(`${name}:`));
};
const usesOpenAi = provider('openai');
const usesAnthropic = provider('anthropic');

const notCluster = (name: 'REDIS_URL' | 'MONGODB_URI' | 'JOB_STORE'): Rule => ({
  names: [name, 'PROFILE'],
  broken: (env) => env.PROFILE !== 'cluster' && env[name] !== null,
  text: 'is for PROFILE=cluster; the other profiles use no service: leave it out',
});

const needed = (name: 'REDIS_URL' | 'MONGODB_URI', what: string): Rule => ({
  names: [name, 'PROFILE'],
  broken: (env) => env.PROFILE === 'cluster' && env[name] === null,
  text: `is needed by PROFILE=cluster: it ${what}`,
});

const onlyJwt = (
  name: 'JWT_SECRET' | 'JWKS_URL' | 'JWT_ISSUER' | 'JWT_AUDIENCE' | 'SESSION_SECRET',
): Rule => ({
  names: [name, 'AUTH_MODE'],
  broken: (env) => env.AUTH_MODE === 'dev' && env[name] !== null,
  text: 'is not used by AUTH_MODE=dev, which lets everybody in: set AUTH_MODE=jwt or leave it out',
});

const RULES: Rule[] = [
  needed('REDIS_URL', 'keeps the event log'),
  needed('MONGODB_URI', 'keeps conversations and checkpoints'),
  notCluster('REDIS_URL'),
  notCluster('MONGODB_URI'),
  notCluster('JOB_STORE'),
  {
    names: ['AUTH_MODE', 'JWT_SECRET', 'JWKS_URL'],
    broken: (env) =>
      env.AUTH_MODE === 'jwt' && (env.JWT_SECRET === null) === (env.JWKS_URL === null),
    text: 'jwt needs exactly one of JWT_SECRET and JWKS_URL',
  },
  {
    names: ['SESSION_SECRET', 'PROFILE', 'AUTH_MODE', 'JWKS_URL'],
    broken: (env) =>
      env.PROFILE === 'cluster' && env.JWKS_URL !== null && env.SESSION_SECRET === null,
    text: 'is needed by PROFILE=cluster with JWKS_URL: a session of one replica must hold on the others',
  },
  onlyJwt('JWT_SECRET'),
  onlyJwt('JWKS_URL'),
  onlyJwt('JWT_ISSUER'),
  onlyJwt('JWT_AUDIENCE'),
  onlyJwt('SESSION_SECRET'),
  {
    names: ['AUTH_MODE', 'HOST', 'ALLOW_DEV_AUTH_ON_NETWORK'],
    broken: (env) =>
      env.AUTH_MODE === 'dev' && !isLoopback(env.HOST) && !env.ALLOW_DEV_AUTH_ON_NETWORK,
    text: 'dev lets everybody in, and HOST can be reached from other machines: set AUTH_MODE=jwt, HOST=127.0.0.1, or ALLOW_DEV_AUTH_ON_NETWORK=1 if that is meant',
  },
  {
    names: ['ALLOW_DEV_AUTH_ON_NETWORK', 'AUTH_MODE'],
    broken: (env) => env.ALLOW_DEV_AUTH_ON_NETWORK && env.AUTH_MODE !== 'dev',
    text: 'has no meaning with AUTH_MODE=jwt: leave it out',
  },
  {
    names: ['LEASE_TTL', 'SCAN_INTERVAL'],
    broken: (env) => env.LEASE_TTL <= 2 * env.SCAN_INTERVAL,
    text: 'must be more than twice SCAN_INTERVAL',
  },
  {
    names: ['LEASE_TTL', 'FLUSH_WINDOW'],
    broken: (env) => env.LEASE_TTL <= 2 * env.FLUSH_WINDOW,
    text: 'must be more than twice FLUSH_WINDOW',
  },
  {
    names: ['APPROVAL_WARN_BEFORE', 'APPROVAL_TTL'],
    broken: (env) => (env.APPROVAL_WARN_BEFORE ?? 0) >= env.APPROVAL_TTL,
    text: 'must be shorter than APPROVAL_TTL',
  },
  {
    names: ['WEBHOOK_SECRET', 'WEBHOOK_URL'],
    broken: (env) => env.WEBHOOK_URL !== null && env.WEBHOOK_SECRET === null,
    text: 'is needed by WEBHOOK_URL: receivers know by it that a webhook is ours',
  },
  {
    names: ['WEBHOOK_URL', 'WEBHOOK_SECRET'],
    broken: (env) => env.WEBHOOK_URL === null && env.WEBHOOK_SECRET !== null,
    text: 'is missing where WEBHOOK_SECRET is set: set both, or neither',
  },
  {
    names: ['OPENAI_API_KEY', 'MODEL', 'TITLE_MODEL'],
    broken: (env) => usesOpenAi(env) && env.OPENAI_API_KEY === null && env.OPENAI_BASE_URL === null,
    text: 'is needed by an openai: model, unless OPENAI_BASE_URL names a server that asks for none',
  },
  {
    names: ['ANTHROPIC_API_KEY', 'MODEL', 'TITLE_MODEL'],
    broken: (env) => usesAnthropic(env) && env.ANTHROPIC_API_KEY === null,
    text: 'is needed by an anthropic: model',
  },
  {
    names: ['MAX_TEXT_CHARS', 'MAX_BODY_BYTES'],
    broken: (env) => env.MAX_TEXT_CHARS >= env.MAX_BODY_BYTES,
    text: 'must be less than MAX_BODY_BYTES, or no such text could ever arrive',
  },
];

/** Every contradiction that does not rest on a variable that could not be read. */
export function contradictions(env: Env, unreadable: ReadonlySet<string>): Fault[] {
  return RULES.filter(
    (rule) => !rule.names.some((name) => unreadable.has(name)) && rule.broken(env),
  ).map((rule) => ({ name: rule.names[0], text: rule.text }));
}
