import { describe, expect, test } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';

/** `NGINX` names another binary than the machine's. */
const NGINX = process.env['NGINX'] ?? 'nginx';
const CONF = readFileSync(new URL('../../deploy/nginx.conf', import.meta.url), 'utf8');
/** Whom nginx runs as where the tests are root's: nobody, as in its container. */
const NOBODY = 65_534;

export interface Nginx {
  readonly url: string;
  readonly port: number;
  /** 0 without TLS. */
  readonly tlsPort: number;
  /** What it wrote. */
  output(): string;
  stop(): Promise<void>;
}

export interface NginxOptions {
  /** host:port of each replica. */
  upstreams: string[];
  /** Takes away the hashes in front of the HTTP/2 lines. */
  tls?: boolean;
}

function version(): readonly [number, number, number] | undefined {
  const { stderr, status } = spawnSync(NGINX, ['-v'], { encoding: 'utf8' });
  const [, major, minor, patch] = /nginx\/(\d+)\.(\d+)\.(\d+)/.exec(stderr ?? '') ?? [];
  return status === 0 ? [Number(major), Number(minor), Number(patch)] : undefined;
}

const VERSION = version();

/** `http2 on` came with 1.25.1; before, it was a word of `listen`. */
function knowsHttp2Directive(): boolean {
  const [major, minor, patch] = VERSION ?? [0, 0, 0];
  return major * 1e6 + minor * 1e3 + patch >= 1_025_001;
}

/** A suite that needs nginx. Where there is none it is skipped, loudly; REQUIRE_SERVICES=1 makes that a failure. */
export function describeNginx(name: string, fn: () => void): void {
  if (VERSION) {
    describe(`nginx ${VERSION.join('.')}: ${name}`, () => {
      fn();
    });
  } else if (process.env['REQUIRE_SERVICES'] === '1') {
    describe(`nginx: ${name}`, () => {
      test('is installed: REQUIRE_SERVICES=1 wants it', () => {
        expect(VERSION).toBeDefined();
      });
    });
  } else {
    process.stderr.write(`!!! no nginx (install it, or set NGINX): skipping ${name}\n`);
    // oxlint-disable-next-line jest/no-disabled-tests -- counted and named as skipped by the reporter
    describe.skip(`nginx: ${name}`, () => {
      fn();
    });
  }
}

/** Replaces all of `what`; a text that is not there would mean that something else is tested than what is shipped. */
function swap(text: string, what: RegExp, by: string): string {
  const swapped = text.replaceAll(what, by);
  if (swapped === text) throw new Error(`deploy/nginx.conf has no ${what.source}`);
  return swapped;
}

interface Place {
  folder: string;
  port: number;
  tlsPort: number;
}

/** deploy/nginx.conf with the addresses, the ports and the folder of a test. All else stays as it is shipped. */
function render({ upstreams, tls }: NginxOptions, { folder, port, tlsPort }: Place): string {
  const [, limits = ''] = /server app-1:3000 resolve ([^;]+);/.exec(CONF) ?? [];
  const servers = upstreams.map((address) => `server ${address} ${limits};`).join('\n    ');
  let conf = swap(CONF, /server app-1:3000 [^;]+;\s+server app-2:3000 [^;]+;/g, servers);
  conf = swap(conf, /listen 8080/g, `listen 127.0.0.1:${port}`);
  conf = swap(conf, /\/tmp\//g, `${folder}/`);
  conf = swap(conf, /worker_processes auto/g, 'worker_processes 2');
  if (!tls) return conf;
  conf = swap(conf, /#(?=listen 8443|http2 on|ssl_certificate)/g, '');
  const word = knowsHttp2Directive() ? 'ssl' : 'ssl http2';
  conf = swap(conf, /listen 8443 ssl/g, `listen 127.0.0.1:${tlsPort} ${word}`);
  if (!knowsHttp2Directive()) conf = swap(conf, /http2 on;/g, '');
  certify(folder);
  return swap(conf, /\/etc\/nginx\/tls\//g, `${folder}/`);
}

function certify(folder: string): void {
  const out = ['-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.crt')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const made = spawnSync(
    'openssl',
    ['req', '-x509', ...curve, '-nodes', '-days', '2', '-subj', '/CN=localhost', ...out],
    { encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.stderr}`);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** The configuration in a folder of its own, owned by whom nginx runs as. */
async function prepare(options: NginxOptions): Promise<Place & { file: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-nginx-'));
  const place = {
    folder,
    port: await freePort(),
    tlsPort: options.tls ? await freePort() : 0,
  };
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, render(options, place));
  if (isRoot()) {
    const made = [folder, file];
    if (options.tls) made.push(join(folder, 'tls.key'), join(folder, 'tls.crt'));
    for (const path of made) chownSync(path, NOBODY, NOBODY);
  }
  return { ...place, file };
}

const asNobody = (): { uid?: number; gid?: number } =>
  isRoot() ? { uid: NOBODY, gid: NOBODY } : {};

/** What `nginx -t` says of the shipped configuration. */
export async function checkConfiguration(
  options: NginxOptions,
): Promise<{ status: number | null; text: string }> {
  const { folder, file } = await prepare(options);
  try {
    const { status, stderr } = spawnSync(NGINX, ['-t', '-p', folder, '-c', file], {
      encoding: 'utf8',
      ...asNobody(),
    });
    return { status, text: stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const { folder, file, port, tlsPort } = await prepare(options);
  const child = spawn(NGINX, ['-p', folder, '-c', file, '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...asNobody(),
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const gone = new Promise<void>((settle) => child.once('close', () => settle()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await listening(child, port);
  } catch (error) {
    await stop();
    throw new Error(`nginx does not start:\n${output}`, { cause: error });
  }
  return { url: `http://127.0.0.1:${port}`, port, tlsPort, output: () => output, stop };
}

async function listening(child: ChildProcess, port: number): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error('nobody listens');
    await new Promise((again) => setTimeout(again, 20));
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      settle(true);
    });
    socket.once('error', () => settle(false));
  });
}
