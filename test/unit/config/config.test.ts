import { OPEN_POLICY } from '../../../src/hitl/tool-policy.ts';
import { describe, expect, test } from '@jest/globals';
import { ConfigError, loadConfig } from '../../../src/config/config.ts';
import type { RawEnv } from '../../../src/config/env.ts';

function faultsOf(raw: RawEnv): string[] {
  try {
    loadConfig(raw);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map((f) => `${f.name}: ${f.text}`);
    throw error;
  }
  return [];
}

const SECRET = 'x'.repeat(32);

describe('a configuration without anything set', () => {
  test('is the embedded profile on loopback with the documented defaults', () => {
    const { replicaId, ...config } = loadConfig({});

    expect(replicaId).toMatch(/^replica-[0-9a-f]{8}$/);
    expect(config).toEqual({
      server: { port: 3000, host: '127.0.0.1', trustProxy: false },
      profile: 'embedded',
      cluster: null,
      configFile: null,
      dataDir: './data',
      logLevel: 'info',
      auth: { mode: 'dev', anyHost: false },
      allowedOrigins: [],
      protocols: ['ai-sdk', 'ag-ui', 'openai'],
      model: { name: 'demo', title: null, stallTimeoutMs: 60_000 },
      providers: {},
      stream: {
        heartbeatMs: 10_000,
        retentionMs: 3_600_000,
        flushWindowMs: 250,
        earlyDeltas: true,
        temporaryTtlMs: 86_400_000,
      },
      limits: {
        maxConcurrentRuns: 100,
        maxGenerationsPerUser: 10,
        maxStreamsPerUser: 50,
        bodyBytes: 262_144,
        historyBodyBytes: 4_194_304,
        textChars: 100_000,
        jsonDepth: 32,
        jsonKeys: 1_000,
        fileBytes: 20_971_520,
        filesPerUser: 1_000,
        fileBytesPerUser: 1_073_741_824,
      },
      lease: { ttlMs: 20_000, scanMs: 5_000 },
      drainGraceMs: 30_000,
      toolPolicy: OPEN_POLICY,
      approvals: { ttlMs: 86_400_000, warnBeforeMs: 3_600_000 },
      webhooks: null,
      demoLedger: null,
      tracing: 'none',
    });
  });

  test('is frozen at every depth', () => {
    const config = loadConfig({ ALLOWED_ORIGINS: 'https://a.example' });

    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.limits)).toBe(true);
    expect(Object.isFrozen(config.allowedOrigins)).toBe(true);
  });

  test('takes a new replica id at each start', () => {
    expect(loadConfig({}).replicaId).not.toBe(loadConfig({}).replicaId);
  });

  test('counts empty and blank variables as not set', () => {
    expect(loadConfig({ PORT: '', REDIS_URL: '  ' }).server.port).toBe(3000);
  });
});

describe('values', () => {
  test.each([
    ['0ms', 0],
    ['500ms', 500],
    ['10s', 10_000],
    ['5m', 300_000],
  ])('reads the duration %s', (text, ms) => {
    expect(loadConfig({ DRAIN_GRACE: text }).drainGraceMs).toBe(ms);
  });

  test('reads hours and days', () => {
    const { stream, approvals } = loadConfig({ STREAM_RETENTION: '24h', APPROVAL_TTL: '7d' });

    expect([stream.retentionMs, approvals.ttlMs]).toEqual([86_400_000, 604_800_000]);
  });

  test('shortens the warning to a quarter of a short APPROVAL_TTL', () => {
    expect(loadConfig({ APPROVAL_TTL: '2s' }).approvals).toEqual({
      ttlMs: 2_000,
      warnBeforeMs: 500,
    });
  });

  test('takes either key of jwt mode', () => {
    expect(loadConfig({ AUTH_MODE: 'jwt', JWT_SECRET: SECRET }).auth).toMatchObject({
      mode: 'jwt',
      secret: SECRET,
    });
    expect(
      loadConfig({ AUTH_MODE: 'jwt', JWKS_URL: 'https://id.example/jwks' }).auth,
    ).toMatchObject({ mode: 'jwt', jwksUrl: 'https://id.example/jwks' });
  });

  test('sends webhooks where both the receiver and the key are given', () => {
    const raw = { WEBHOOK_URL: 'http://hooks:8080/in?t=1', WEBHOOK_SECRET: 'k'.repeat(16) };

    expect(loadConfig(raw).webhooks).toEqual({ url: raw.WEBHOOK_URL, secret: raw.WEBHOOK_SECRET });
  });

  test("reads the service's policy, with its defaults, frozen", () => {
    const raw = { TOOL_POLICY: '{"deny":["rm"],"approvers":["role:finance"],"fourEyes":true}' };

    const { toolPolicy } = loadConfig(raw);

    expect(toolPolicy).toEqual({
      ...OPEN_POLICY,
      deny: ['rm'],
      approvers: ['role:finance'],
      fourEyes: true,
    });
    expect(Object.isFrozen(toolPolicy.deny)).toBe(true);
  });

  test('lists the origins once each', () => {
    const raw = { ALLOWED_ORIGINS: 'https://a.example, http://localhost:5173,https://a.example' };

    expect(loadConfig(raw).allowedOrigins).toEqual(['https://a.example', 'http://localhost:5173']);
  });

  test('takes the protocols that are named, or none', () => {
    expect(loadConfig({ PROTOCOLS: 'openai, ai-sdk' }).protocols).toEqual(['ai-sdk', 'openai']);
    expect(loadConfig({ PROTOCOLS: 'none' }).protocols).toEqual([]);
    expect(() => loadConfig({ PROTOCOLS: 'ai-sdk,gopher' })).toThrow('PROTOCOLS');
  });

  test("hands the providers' own names on, those that are set", () => {
    const config = loadConfig({ MODEL: 'openai:gpt-x', OPENAI_API_KEY: 'k' });

    expect(config.model.name).toBe('openai:gpt-x');
    expect(config.providers).toEqual({ OPENAI_API_KEY: 'k' });
  });

  test('lets dev mode out of loopback only when told so', () => {
    const auth = loadConfig({ HOST: '0.0.0.0', ALLOW_DEV_AUTH_ON_NETWORK: '1' }).auth;

    expect(auth).toEqual({ mode: 'dev', anyHost: true });
  });
});

const FAULTS: [string, RawEnv, string][] = [
  ['a policy that is no JSON', { TOOL_POLICY: '{' }, 'TOOL_POLICY: is no policy in JSON'],
  ['a policy that is not an object', { TOOL_POLICY: '[]' }, 'expected object'],
  [
    'a policy with a wrong member of a list',
    { TOOL_POLICY: '{"allowedDecisions":[{"tools":"x","decisions":["approve","yes"]}]}' },
    'TOOL_POLICY: is no policy in JSON: allowedDecisions.0.decisions.1: Invalid option',
  ],
  [
    'a policy with an approver that is no role',
    { TOOL_POLICY: '{"approvers":["ann"]}' },
    'approvers.0: Invalid',
  ],
  ['a policy with a wrong list', { TOOL_POLICY: '{"deny":"x"}' }, 'deny: Invalid input'],
  ['a policy with an unknown key', { TOOL_POLICY: '{"denied":[]}' }, 'denied'],
  ['a port that is no number', { PORT: 'http' }, 'PORT: "http" is not accepted'],
  ['a port out of range', { PORT: '65536' }, 'accepted: an integer from 0 to 65535'],
  ['a negative number', { MAX_CONCURRENT_RUNS: '-1' }, 'MAX_CONCURRENT_RUNS: "-1"'],
  ['a fraction', { MAX_STREAMS_PER_USER: '1.5' }, 'MAX_STREAMS_PER_USER: "1.5"'],
  ['a number of no use', { MAX_GENERATIONS_PER_USER: '0' }, 'from 1 to 10000'],
  ['a host with a path', { HOST: 'a/b' }, 'HOST: "a/b"'],
  ['an unknown profile', { PROFILE: 'prod' }, 'one of embedded, memory, cluster'],
  [
    'the cluster without Redis',
    { PROFILE: 'cluster', MONGODB_URI: 'mongodb://m/x' },
    'REDIS_URL: is needed by PROFILE=cluster',
  ],
  [
    'the cluster without MongoDB',
    { PROFILE: 'cluster', REDIS_URL: 'redis://r' },
    'MONGODB_URI: is needed by PROFILE=cluster',
  ],
  [
    'sessions that only one replica would know',
    {
      PROFILE: 'cluster',
      REDIS_URL: 'redis://r',
      MONGODB_URI: 'mongodb://m/x',
      AUTH_MODE: 'jwt',
      JWKS_URL: 'https://id.example/k',
    },
    'SESSION_SECRET: is needed by PROFILE=cluster',
  ],
  [
    'nodes of a Redis Cluster with different schemes',
    { PROFILE: 'cluster', REDIS_URL: 'redis://a,rediss://b', MONGODB_URI: 'mongodb://m/x' },
    'or several separated by commas',
  ],
  ['an unknown log level', { LOG_LEVEL: 'loud' }, 'LOG_LEVEL: "loud"'],
  ['an unknown auth mode', { AUTH_MODE: 'none' }, 'AUTH_MODE: "none"'],
  ['a duration without a unit', { DRAIN_GRACE: '30' }, 'DRAIN_GRACE: "30" is not accepted'],
  ['a duration in another unit', { STREAM_RETENTION: '1w' }, 'STREAM_RETENTION: "1w"'],
  ['a heartbeat that is too fast', { HEARTBEAT_INTERVAL: '1ms' }, 'from 50ms to 60s'],
  ['a heartbeat that is too slow', { HEARTBEAT_INTERVAL: '2m' }, 'from 50ms to 60s'],
  ['a flush window of minutes', { FLUSH_WINDOW: '1m' }, 'FLUSH_WINDOW: "1m"'],
  ['a model without a provider', { MODEL: 'gpt-x' }, 'demo, openai:<model> or anthropic:<model>'],
  ['a model of an unknown provider', { MODEL: 'acme:x' }, 'MODEL: "acme:x"'],
  ['a provider without a model', { TITLE_MODEL: 'openai:' }, 'TITLE_MODEL: "openai:"'],
  ['openai without its key', { MODEL: 'openai:x' }, 'OPENAI_API_KEY: is needed'],
  ['anthropic without its key', { TITLE_MODEL: 'anthropic:x' }, 'ANTHROPIC_API_KEY: is needed'],
  ['a base URL that is none', { OPENAI_BASE_URL: 'localhost' }, 'OPENAI_BASE_URL: "localhost"'],
  ['an origin with a path', { ALLOWED_ORIGINS: 'https://a.example/x' }, 'ALLOWED_ORIGINS: "https'],
  ['any origin', { ALLOWED_ORIGINS: '*' }, 'no path, no *'],
  ['an origin of another scheme', { ALLOWED_ORIGINS: 'file://x' }, 'ALLOWED_ORIGINS: "file'],
  ['jwt without a key', { AUTH_MODE: 'jwt' }, 'exactly one of JWT_SECRET and JWKS_URL'],
  [
    'jwt with two keys',
    { AUTH_MODE: 'jwt', JWT_SECRET: SECRET, JWKS_URL: 'https://id.example/k' },
    'exactly one of JWT_SECRET and JWKS_URL',
  ],
  [
    'a key that dev mode ignores',
    { JWT_SECRET: SECRET },
    'JWT_SECRET: is not used by AUTH_MODE=dev',
  ],
  ['a short secret', { AUTH_MODE: 'jwt', JWT_SECRET: 'tiny' }, 'at least 32 bytes'],
  [
    'keys over an open network',
    { AUTH_MODE: 'jwt', JWKS_URL: 'http://id.example/k' },
    'JWKS_URL: "http://id.example/k" is not accepted',
  ],
  ['dev mode on the network', { HOST: '0.0.0.0' }, 'ALLOW_DEV_AUTH_ON_NETWORK=1 if that is meant'],
  [
    'the network permission in jwt mode',
    { AUTH_MODE: 'jwt', JWT_SECRET: SECRET, ALLOW_DEV_AUTH_ON_NETWORK: '1' },
    'ALLOW_DEV_AUTH_ON_NETWORK: has no meaning',
  ],
  ['a flag that is neither', { TRUST_PROXY: 'yes' }, 'accepted: 1 or 0'],
  ['Redis without the cluster', { REDIS_URL: 'redis://r' }, 'REDIS_URL: is for PROFILE=cluster'],
  ['a Redis URL that is none', { REDIS_URL: 'http://r' }, 'redis:// or rediss://'],
  ['MongoDB without the cluster', { MONGODB_URI: 'mongodb://m/x' }, 'MONGODB_URI: is for PROFILE'],
  ['a job store without the cluster', { JOB_STORE: 'redis' }, 'JOB_STORE: is for PROFILE=cluster'],
  ['a replica id with a space', { REPLICA_ID: 'a b' }, 'REPLICA_ID: "a b"'],
  ['a lease as short as two scans', { LEASE_TTL: '10s' }, 'more than twice SCAN_INTERVAL'],
  [
    'a lease as short as two flush windows',
    { LEASE_TTL: '4s', SCAN_INTERVAL: '1s', FLUSH_WINDOW: '2s' },
    'more than twice FLUSH_WINDOW',
  ],
  ['a warning before the pause', { APPROVAL_WARN_BEFORE: '24h' }, 'shorter than APPROVAL_TTL'],
  ['webhooks that are not signed', { WEBHOOK_URL: 'https://h.example' }, 'WEBHOOK_SECRET: is'],
  ['webhooks to nowhere', { WEBHOOK_SECRET: SECRET }, 'WEBHOOK_URL: is missing'],
  [
    'a short key of webhooks',
    { WEBHOOK_URL: 'https://h.example', WEBHOOK_SECRET: 'k'.repeat(15) },
    'at least 16 bytes',
  ],
  [
    'a receiver that is no web address',
    { WEBHOOK_URL: 'ftp://h.example', WEBHOOK_SECRET: SECRET },
    'WEBHOOK_URL: its value (not shown)',
  ],
  [
    'a receiver with a password in its address',
    { WEBHOOK_URL: 'https://u:p@h.example', WEBHOOK_SECRET: SECRET },
    'without a user name or a password',
  ],
  [
    'texts longer than a body',
    { MAX_TEXT_CHARS: '5000', MAX_BODY_BYTES: '5000' },
    'less than MAX_BODY_BYTES',
  ],
];

describe('a fault', () => {
  test.each(FAULTS)('%s is refused with what is accepted', (_name, raw, expected) => {
    const faults = faultsOf(raw);

    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(expected);
  });

  test('never hides another: values and contradictions come in one report', () => {
    const raw = { PORT: 'x', HEARTBEAT_INTERVAL: 'y', HOST: '0.0.0.0', REDIS_URL: 'redis://r' };

    const names = faultsOf(raw).map((fault) => fault.split(':')[0]);

    expect(names).toEqual(['PORT', 'HEARTBEAT_INTERVAL', 'REDIS_URL', 'AUTH_MODE']);
  });

  test('is not reported twice when what it contradicts could not be read', () => {
    expect(faultsOf({ LEASE_TTL: 'long', SCAN_INTERVAL: '10m' })).toHaveLength(2);
    expect(faultsOf({ LEASE_TTL: 'long' })).toHaveLength(1);
  });

  test('in a policy is told with its place, and each other one too', () => {
    const policy = { deny: 'x', mode: 'never', ttlMs: 0, ask: ['ok', ''] };

    const faults = faultsOf({ TOOL_POLICY: JSON.stringify(policy) });

    expect(faults.map((fault) => /JSON: ([\w.]+): /.exec(fault)?.[1] ?? '').toSorted()).toEqual(
      ['ask.1', 'deny', 'mode', 'ttlMs'].toSorted(),
    );
  });

  test('in text that is no JSON quotes none of it', () => {
    expect(faultsOf({ TOOL_POLICY: '{"reason": hunter2' })).toEqual([
      'TOOL_POLICY: is no policy in JSON: it is no JSON at all',
    ]);
  });

  test('never shows a secret', () => {
    const report = faultsOf({
      AUTH_MODE: 'jwt',
      JWT_SECRET: 'hunter2',
      MONGODB_URI: 'x:pw',
    }).join();

    expect(report).toContain('JWT_SECRET');
    expect(report).toContain('MONGODB_URI');
    expect(report).not.toContain('hunter2');
    expect(report).not.toContain('x:pw');
  });
});
