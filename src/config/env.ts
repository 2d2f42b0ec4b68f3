import { toolPolicyText } from './tool-policy.ts';
import { z } from 'zod';
import {
  anyText,
  duration,
  flag,
  integer,
  model,
  oneOf,
  protocols,
  origins,
  pattern,
  receiverUrl,
  secret,
  trustedUrl,
  url,
  urls,
} from './values.ts';
import type { Form } from './values.ts';

/** Every environment variable: its form, its default as text, and what it is for. The README's table is made of it. */

/** What the README's table says of a variable. */
export interface VariableDoc {
  about: string;
  /** The default as the table shows it. */
  fallback: string;
}

const docs = z.registry<VariableDoc>();

interface More {
  /** Says what happens where it is not set. */
  unset?: string;
  /** The value is never shown in a fault. */
  secret?: true;
}

function refusal(form: Form<unknown>, text: string, more: More): string {
  const shown = more.secret ? 'its value (not shown)' : JSON.stringify(text.slice(0, 100));
  return `${shown} is not accepted; accepted: ${form.accepts}`;
}

/** A variable with a default. */
function given<T>(form: Form<T>, fallback: string, about: string) {
  return z
    .string()
    .optional()
    .transform((text = fallback, ctx): T => {
      const value = form.parse(text);
      if (value !== undefined) return value;
      ctx.addIssue({ code: 'custom', message: refusal(form, text, {}) });
      return z.NEVER;
    })
    .register(docs, { about, fallback: `\`${fallback}\`` });
}

/** A variable that may be absent: null. */
function optional<T>(form: Form<T>, about: string, more: More = {}) {
  return z
    .string()
    .optional()
    .transform((text, ctx): T | null => {
      if (text === undefined) return null;
      const value = form.parse(text);
      if (value !== undefined) return value;
      ctx.addIssue({ code: 'custom', message: refusal(form, text, more) });
      return z.NEVER;
    })
    .register(docs, { about, fallback: more.unset ?? '' });
}

export const envSchema = z.object({
  PORT: given(integer(0, 65_535), '3000', 'Port to listen on; 0 takes a free one.'),
  HOST: given(
    pattern('a host name or an IP address', /^[A-Za-z0-9.:_-]{1,255}$/),
    '127.0.0.1',
    'Address to listen on.',
  ),
  TRUST_PROXY: given(
    flag,
    '0',
    'Behind one reverse proxy: believe its `X-Forwarded-Proto` and `X-Forwarded-For`.',
  ),
  PROFILE: given(
    oneOf('embedded', 'memory', 'cluster'),
    'embedded',
    'embedded: one process, one SQLite file. memory: nothing is kept. cluster: any number of replicas on Redis and MongoDB.',
  ),
  HOLDFAST_CONFIG: optional(
    anyText,
    'File with agents of your own and what belongs to them (docs/AGENTS.md).',
    { unset: '`holdfast.yaml`, if it is there' },
  ),
  DATA_DIR: given(anyText, './data', 'Folder of the SQLite file and of uploaded files.'),
  REDIS_URL: optional(
    urls('redis:', 'rediss:'),
    'Cluster only: the event log. Several URLs, separated by commas, are nodes of a Redis Cluster.',
    { secret: true },
  ),
  MONGODB_URI: optional(
    url('mongodb:', 'mongodb+srv:'),
    'Cluster only: conversations, approvals, checkpoints.',
    { secret: true },
  ),
  JOB_STORE: optional(
    oneOf('mongo', 'redis'),
    'Cluster only: where the records of generations live. mongo survives the loss of Redis.',
    { unset: 'mongo' },
  ),
  REPLICA_ID: optional(
    pattern('1 to 64 of A-Z a-z 0-9 _ . -', /^[A-Za-z0-9_.-]{1,64}$/),
    'Name of this process in leases; unique among replicas.',
    { unset: 'made at start' },
  ),
  LOG_LEVEL: given(
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'info',
    'Least level that is logged.',
  ),
  AUTH_MODE: given(
    oneOf('dev', 'jwt'),
    'dev',
    'dev: every request is the one local user. jwt: bearer tokens.',
  ),
  JWT_SECRET: optional(secret(32), 'Secret of HS256 tokens.', { secret: true }),
  JWKS_URL: optional(trustedUrl, 'Key set of tokens signed with a public key.'),
  JWT_ISSUER: optional(anyText, 'Where set, the `iss` that tokens must have.'),
  JWT_AUDIENCE: optional(anyText, 'Where set, the `aud` that tokens must have.'),
  SESSION_SECRET: optional(secret(32), 'Key of the session cookie; the same on all replicas.', {
    secret: true,
    unset: 'from JWT_SECRET, else made at start',
  }),
  ALLOW_DEV_AUTH_ON_NETWORK: given(
    flag,
    '0',
    'Allows AUTH_MODE=dev on a HOST that others can reach: everybody is the local user.',
  ),
  ALLOWED_ORIGINS: optional(origins, 'Web origins whose pages may call the API.', {
    unset: 'the same origin',
  }),
  PROTOCOLS: given(
    protocols,
    'ai-sdk,ag-ui,openai',
    'Protocols that are spoken besides our own; `none`: ours alone.',
  ),
  MODEL: given(model, 'demo', 'Model of the default agent.'),
  TITLE_MODEL: optional(model, 'Model that writes titles.', { unset: 'from the text' }),
  MODEL_STALL_TIMEOUT: given(
    duration('100ms', '1h'),
    '60s',
    'Longest silence of a model before its call fails.',
  ),
  OPENAI_API_KEY: optional(anyText, "OpenAI's own name.", { secret: true }),
  OPENAI_BASE_URL: optional(url('http:', 'https:'), 'Any OpenAI-compatible server.'),
  ANTHROPIC_API_KEY: optional(anyText, "Anthropic's own name.", { secret: true }),
  ANTHROPIC_BASE_URL: optional(url('http:', 'https:'), 'Another address of the Anthropic API.'),
  HEARTBEAT_INTERVAL: given(
    duration('50ms', '60s'),
    '10s',
    'Period of the comments that keep streams open.',
  ),
  STREAM_RETENTION: given(
    duration('100ms', '30d'),
    '1h',
    'How long the log of a finished stream is kept.',
  ),
  FLUSH_WINDOW: given(
    duration('0ms', '2s'),
    '250ms',
    'Longest time that a delta waits before it is durable.',
  ),
  EARLY_DELTAS: given(
    flag,
    '1',
    'Readers on other replicas get words as they are made; 0: once they are stored, for less CPU and fewer bytes.',
  ),
  TEMPORARY_TTL: given(
    duration('1s', '365d'),
    '24h',
    'How long a temporary conversation is kept after its last turn.',
  ),
  APPROVAL_TTL: given(duration('100ms', '365d'), '24h', 'How long a pause waits for a person.'),
  APPROVAL_WARN_BEFORE: optional(
    duration('0ms', '365d'),
    'How long before its expiry a pause is announced as about to expire; 0ms: never.',
    { unset: '1h, or a quarter of APPROVAL_TTL where that is shorter' },
  ),
  WEBHOOK_URL: optional(
    receiverUrl,
    'Where approvals and ends of generations are posted to; with WEBHOOK_SECRET.',
    { secret: true },
  ),
  WEBHOOK_SECRET: optional(secret(16), 'Key that signs webhooks; with WEBHOOK_URL.', {
    secret: true,
  }),
  MAX_CONCURRENT_RUNS: given(integer(1, 100_000), '100', 'Runs at a time in this process.'),
  MAX_GENERATIONS_PER_USER: given(
    integer(1, 10_000),
    '10',
    'Queued and running generations of a user.',
  ),
  MAX_STREAMS_PER_USER: given(integer(1, 100_000), '50', 'Open streams of a user.'),
  MAX_FILE_BYTES: given(integer(1, 5_368_709_120), '20971520', 'Largest file that is taken.'),
  MAX_FILES_PER_USER: given(integer(1, 1_000_000), '1000', 'Files that a user may have.'),
  MAX_FILE_BYTES_PER_USER: given(
    integer(1, 109_951_162_777_600),
    '1073741824',
    'What the files of a user may have together.',
  ),
  MAX_BODY_BYTES: given(integer(1_024, 104_857_600), '262144', 'Largest request body.'),
  MAX_HISTORY_BODY_BYTES: given(
    integer(1_024, 104_857_600),
    '4194304',
    'Largest request body of protocols whose clients send the whole history.',
  ),
  MAX_TEXT_CHARS: given(integer(1, 10_000_000), '100000', 'Longest `text` of a message.'),
  MAX_JSON_DEPTH: given(integer(4, 128), '32', 'Deepest nesting of a JSON body.'),
  MAX_JSON_KEYS: given(integer(16, 100_000), '1000', 'Most keys of one JSON object.'),
  LEASE_TTL: given(
    duration('500ms', '10m'),
    '20s',
    'How long a silent driver keeps its generation; more than twice SCAN_INTERVAL and FLUSH_WINDOW.',
  ),
  SCAN_INTERVAL: given(
    duration('50ms', '5m'),
    '5s',
    'Period of the search for work that was left behind.',
  ),
  DRAIN_GRACE: given(duration('0ms', '1h'), '30s', 'Time that SIGTERM leaves to running answers.'),
  TOOL_POLICY: toolPolicyText.register(docs, {
    about: 'Policy for the tools of all agents, as JSON (docs/APPROVALS.md section 3).',
    fallback: 'agents decide',
  }),
  DEMO_LEDGER: optional(anyText, 'File in which the demo tools record each real execution.'),
});

export type Env = z.infer<typeof envSchema>;
export type VariableName = keyof Env;
/** `process.env`, or a test's. */
export type RawEnv = Readonly<Record<string, string | undefined>>;

export const processEnv = (): RawEnv => process.env;

export interface Fault {
  name: string;
  text: string;
}

/** Names and documentation in the order of the schema. */
export function variables(): (VariableDoc & { name: string })[] {
  return Object.entries(envSchema.shape).map(([name, schema]) => ({
    name,
    ...(docs.get(schema) ?? { about: '', fallback: '' }),
  }));
}

/** An empty variable counts as not set: compose files write it so. */
function present(raw: RawEnv, without: ReadonlySet<string>): Record<string, string | undefined> {
  const entries = Object.keys(envSchema.shape).map((name): [string, string | undefined] => {
    const text = without.has(name) ? '' : (raw[name]?.trim() ?? '');
    return [name, text === '' ? undefined : text];
  });
  return Object.fromEntries(entries);
}

/**
 * Reads every variable. One that can't be read is a fault and takes its default here, so that the contradictions
 * between the others can be told in the same report.
 */
export function readEnv(raw: RawEnv): { env: Env; faults: Fault[] } {
  const read = envSchema.safeParse(present(raw, new Set()));
  if (read.success) return { env: read.data, faults: [] };
  const faults = read.error.issues.map((issue) => ({
    name: String(issue.path[0]),
    text: issue.message,
  }));
  const without = new Set(faults.map((fault) => fault.name));
  return { env: envSchema.parse(present(raw, without)), faults };
}
