import { describe, expect, test } from '@jest/globals';
import { validate } from 'dockerfile-utils';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { loadConfig } from '../../../src/config/config.ts';
import { describeCompose } from '../../support/compose.ts';
import { freePort } from '../../support/ports.ts';
import { isShape, list, object } from '../../support/shape.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const run = (command: string, args: string[], env: Record<string, string> = {}) =>
  spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', env: { ...process.env, ...env } });

/** Milliseconds of `45s`. */
function seconds(text: string | undefined): number {
  const [, amount] = /^(\d+)s$/.exec(text ?? '') ?? [];
  if (amount === undefined) throw new Error(`${text} is no number of seconds`);
  return Number(amount) * 1_000;
}

describe('Dockerfile', () => {
  const dockerfile = read('Dockerfile');

  test('has nothing that the linter minds', () => {
    expect(validate(dockerfile)).toEqual([]);
  });

  test('what it copies from here exists, and .dockerignore lets it through', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
      ([, paths = '']) => paths.split(' '),
    );
    const allowed = [...read('.dockerignore').matchAll(/^!(.+)$/gm)].map(([, path = '']) => path);

    expect(copied.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
    expect(new Set(copied)).toEqual(new Set(allowed));
  });

  test('node is the first process, without root, and its base is pinned to a version', () => {
    expect(dockerfile).toMatch(/^ENTRYPOINT \["node", .*"\/app\/dist\/main\.js"\]$/m);
    expect(dockerfile).toMatch(/^USER 1000:1000$/m);
    expect(dockerfile).toMatch(/^ARG BASE=\S+\/node:\d+\.\d+\.\d+-\w+-slim$/m);
  });
});

function check(port: number, path: string): Promise<number | null> {
  const script = join(ROOT, 'deploy/healthcheck.mjs');
  const env = { PORT: String(port), HOST: '0.0.0.0' };
  return new Promise((settle) => {
    spawn(process.execPath, [script, path], { env, stdio: 'ignore' }).once('close', settle);
  });
}

describe('healthcheck.mjs', () => {
  test('says by its exit status whether the server answers 200', async () => {
    const server = createServer((req, res) => {
      res.writeHead(req.url === '/healthz' ? 200 : 503).end();
    });
    const port = await freePort();
    const nobody = await check(port, '/healthz');
    await new Promise<void>((resolve) => {
      server.listen(port, '127.0.0.1', resolve);
    });

    const healthy = await check(port, '/healthz');
    const unready = await check(port, '/readyz');
    await new Promise((resolve) => server.close(resolve));

    expect({ nobody, healthy, unready }).toEqual({ nobody: 1, healthy: 0, unready: 1 });
  });
});

describe('docker-compose.yml', () => {
  const compose = read('docker-compose.yml');

  test('has nothing that dclint minds', () => {
    const { status, stdout, stderr } = run(process.execPath, [
      join(ROOT, 'node_modules/dclint/bin/dclint.cjs'),
      'docker-compose.yml',
      '--max-warnings=0',
      '--formatter=json',
    ]);
    const found = list(JSON.parse(stdout)).flatMap((file) => list(object(file)['messages']));

    expect(found).toEqual([]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('its replicas are those of nginx', () => {
    const replicas = [...compose.matchAll(/^ {2}([\w-]+):\n {4}<<: \*app$/gm)].map(
      ([, name]) => name,
    );
    const servers = [...read('deploy/nginx.conf').matchAll(/server ([\w-]+):3000 resolve/g)];

    expect(servers.map(([, name]) => name)).toEqual(replicas);
    expect(replicas.length).toBeGreaterThanOrEqual(2);
  });

  test('a replica has more time to stop than its shutdown takes at most', () => {
    const grace = seconds(/stop_grace_period: \$\{STOP_GRACE:-(\w+)\}/.exec(compose)?.[1]);
    const drain = seconds(/DRAIN_GRACE: \$\{DRAIN_GRACE:-(\w+)\}/.exec(compose)?.[1]);
    const watchdog = /WATCHDOG_MS = ([\d_]+)/.exec(read('src/program.ts'))?.[1] ?? '';

    expect(drain).toBe(loadConfig({}).drainGraceMs);
    expect(grace).toBeGreaterThan(drain + Number(watchdog.replaceAll('_', '')));
  });

  test('the proxy waits for longer than a heartbeat takes, and takes bodies as large as ours', () => {
    const nginx = read('deploy/nginx.conf');
    const { stream, limits } = loadConfig({});

    const silence = seconds(/proxy_read_timeout (\w+);/.exec(nginx)?.[1]);
    const kilobytes = /client_max_body_size (\d+)k;/.exec(nginx)?.[1];

    expect(silence).toBeGreaterThan(2 * stream.heartbeatMs);
    expect(Number(kilobytes) * 1_024).toBe(limits.bodyBytes);
  });
});

describeCompose((read) => {
  test('one port of the proxy, two equal replicas, bounded services that come back', () => {
    const config = read();
    const services = object(config['services']);
    const published = Object.entries(services).flatMap(([name, service]) =>
      (isShape(service) ? list(service['ports'] ?? []) : []).map((port) => [name, port]),
    );
    const [one, two] = [object(services['app-1']), object(services['app-2'])];

    // Whoever reaches a port that is published by default must be on this machine.
    expect(published).toEqual([
      ['proxy', expect.objectContaining({ host_ip: '127.0.0.1', target: 8080 })],
    ]);
    expect(one).toEqual(two);
    expect(object(one['environment'])).toMatchObject({ PROFILE: 'cluster', JOB_STORE: 'mongo' });
    expect(object(config['networks'])['stores']).toMatchObject({ internal: true });
    for (const [name, service] of Object.entries(services)) {
      const { restart, healthcheck, deploy } = object(service);
      expect({ name, restart }).toEqual({ name, restart: 'unless-stopped' });
      expect(healthcheck).toBeDefined();
      expect(deploy).toMatchObject({ resources: { limits: { memory: expect.any(String) } } });
    }
  });
});
