import type { Protocol } from './values.ts';
import { randomBytes } from 'node:crypto';
import type { ToolPolicy } from '../hitl/tool-policy.ts';
import { contradictions } from './contradictions.ts';
import { readEnv, variables } from './env.ts';
import type { Env, Fault, RawEnv } from './env.ts';
import { traceExporter, type TraceExporter } from './tracing.ts';
import { OperatorError } from '../lib/operator-error.ts';

/** Who may come in. `anyHost`: dev mode also answers to Host names that are not loopback. */
export type AuthConfig =
  | { mode: 'dev'; anyHost: boolean }
  | (JwtRules & { mode: 'jwt'; secret: string })
  | (JwtRules & { mode: 'jwt'; jwksUrl: string });

export interface JwtRules {
  issuer: string | null;
  audience: string | null;
  sessionSecret: string | null;
}

export interface Config {
  server: { port: number; host: string; trustProxy: boolean };
  profile: Env['PROFILE'];
  /** What the replicas of a cluster share; null in the other profiles. */
  cluster: { redisUrl: string; mongoUri: string; jobStore: 'mongo' | 'redis' } | null;
  /** Of agents and what belongs to them; null: the default one, if it is there. */
  configFile: string | null;
  dataDir: string;
  replicaId: string;
  logLevel: Env['LOG_LEVEL'];
  auth: AuthConfig;
  allowedOrigins: readonly string[];
  /** Those besides our own. */
  protocols: readonly Protocol[];
  model: { name: string; title: string | null; stallTimeoutMs: number };
  /** The providers' own environment names that are set. */
  providers: Readonly<Record<string, string>>;
  stream: {
    heartbeatMs: number;
    retentionMs: number;
    flushWindowMs: number;
    earlyDeltas: boolean;
    temporaryTtlMs: number;
  };
  limits: {
    maxConcurrentRuns: number;
    maxGenerationsPerUser: number;
    maxStreamsPerUser: number;
    bodyBytes: number;
    /** Of protocols whose clients send the whole history. */
    historyBodyBytes: number;
    textChars: number;
    jsonDepth: number;
    jsonKeys: number;
    fileBytes: number;
    filesPerUser: number;
    fileBytesPerUser: number;
  };
  lease: { ttlMs: number; scanMs: number };
  drainGraceMs: number;
  approvals: { ttlMs: number; warnBeforeMs: number };
  /** What the service says of tool calls; agents can only tighten it. */
  toolPolicy: ToolPolicy;
  /** Null: none are sent. */
  webhooks: { url: string; secret: string } | null;
  demoLedger: string | null;
  /** Where spans go; `none`: nothing is recorded. */
  tracing: TraceExporter;
}

/** Everything that is wrong with the environment, at once. */
export class ConfigError extends OperatorError {
  override name = 'ConfigError';
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    const lines = faults.map((fault) => `  ${fault.name}: ${fault.text}`);
    super(
      `The configuration has ${faults.length} fault${faults.length === 1 ? '' : 's'}:\n${lines.join('\n')}`,
    );
    this.faults = faults;
  }
}

function authOf(env: Env): AuthConfig {
  const rules: JwtRules = {
    issuer: env.JWT_ISSUER,
    audience: env.JWT_AUDIENCE,
    sessionSecret: env.SESSION_SECRET,
  };
  if (env.AUTH_MODE === 'jwt' && env.JWT_SECRET !== null) {
    return { mode: 'jwt', secret: env.JWT_SECRET, ...rules };
  }
  if (env.AUTH_MODE === 'jwt' && env.JWKS_URL !== null) {
    return { mode: 'jwt', jwksUrl: env.JWKS_URL, ...rules };
  }
  return { mode: 'dev', anyHost: env.ALLOW_DEV_AUTH_ON_NETWORK };
}

function providersOf(env: Env): Record<string, string> {
  const names = [
    'OPENAI_API_KEY',
    'OPENAI_BASE_URL',
    'ANTHROPIC_API_KEY',
    'ANTHROPIC_BASE_URL',
  ] as const;
  return Object.fromEntries(
    names.flatMap((name) => (env[name] === null ? [] : [[name, env[name]]])),
  );
}

function webhooksOf({ WEBHOOK_URL: url, WEBHOOK_SECRET: secret }: Env): Config['webhooks'] {
  return url === null || secret === null ? null : { url, secret };
}

function clusterOf(env: Env): Config['cluster'] {
  const { PROFILE, REDIS_URL: redisUrl, MONGODB_URI: mongoUri, JOB_STORE } = env;
  if (PROFILE !== 'cluster' || redisUrl === null || mongoUri === null) return null;
  return { redisUrl, mongoUri, jobStore: JOB_STORE ?? 'mongo' };
}

const HOUR = 3_600_000;

function toConfig(env: Env, tracing: TraceExporter): Config {
  return {
    server: { port: env.PORT, host: env.HOST, trustProxy: env.TRUST_PROXY },
    profile: env.PROFILE,
    cluster: clusterOf(env),
    configFile: env.HOLDFAST_CONFIG,
    dataDir: env.DATA_DIR,
    // A new name at each start: a lease that the dead process left must never look like our own.
    replicaId: env.REPLICA_ID ?? `replica-${randomBytes(4).toString('hex')}`,
    logLevel: env.LOG_LEVEL,
    auth: authOf(env),
    allowedOrigins: env.ALLOWED_ORIGINS ?? [],
    protocols: env.PROTOCOLS,
    model: { name: env.MODEL, title: env.TITLE_MODEL, stallTimeoutMs: env.MODEL_STALL_TIMEOUT },
    providers: providersOf(env),
    stream: {
      heartbeatMs: env.HEARTBEAT_INTERVAL,
      retentionMs: env.STREAM_RETENTION,
      flushWindowMs: env.FLUSH_WINDOW,
      earlyDeltas: env.EARLY_DELTAS,
      temporaryTtlMs: env.TEMPORARY_TTL,
    },
    limits: {
      maxConcurrentRuns: env.MAX_CONCURRENT_RUNS,
      maxGenerationsPerUser: env.MAX_GENERATIONS_PER_USER,
      maxStreamsPerUser: env.MAX_STREAMS_PER_USER,
      bodyBytes: env.MAX_BODY_BYTES,
      historyBodyBytes: env.MAX_HISTORY_BODY_BYTES,
      textChars: env.MAX_TEXT_CHARS,
      jsonDepth: env.MAX_JSON_DEPTH,
      jsonKeys: env.MAX_JSON_KEYS,
      fileBytes: env.MAX_FILE_BYTES,
      filesPerUser: env.MAX_FILES_PER_USER,
      fileBytesPerUser: env.MAX_FILE_BYTES_PER_USER,
    },
    lease: { ttlMs: env.LEASE_TTL, scanMs: env.SCAN_INTERVAL },
    drainGraceMs: env.DRAIN_GRACE,
    approvals: {
      ttlMs: env.APPROVAL_TTL,
      warnBeforeMs: env.APPROVAL_WARN_BEFORE ?? Math.min(HOUR, Math.floor(env.APPROVAL_TTL / 4)),
    },
    toolPolicy: env.TOOL_POLICY,
    webhooks: webhooksOf(env),
    demoLedger: env.DEMO_LEDGER,
    tracing,
  };
}

function freeze<T extends object>(value: T): Readonly<T> {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) freeze(member);
  }
  return Object.freeze(value);
}

/** The configuration of this process, frozen. Throws ConfigError with every fault. */
export function loadConfig(raw: RawEnv = process.env): Readonly<Config> {
  const { env, faults } = readEnv(raw);
  const unreadable = new Set(faults.map((fault) => fault.name));
  const tracing = traceExporter(raw);
  const all = [...faults, ...contradictions(env, unreadable), ...tracing.faults];
  if (all.length > 0) throw new ConfigError(all);
  return freeze(toConfig(env, tracing.exporter));
}

/** The README's table of variables, in Markdown as prettier writes it. */
export function configTable(): string {
  const rows = variables().map(({ name, fallback, about }) => [`\`${name}\``, fallback, about]);
  const all = [['Variable', 'Default', 'What it does'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (cells: string[], pad: string): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0, pad)).join(' | ')} |`;
  const [head = [], ...body] = all;
  return [line(head, ' '), line(['', '', ''], '-'), ...body.map((row) => line(row, ' '))].join(
    '\n',
  );
}
