import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { transformSync } from 'esbuild';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PAGE_FOLDER, readPageFiles, withoutDocs } from '../../../src/http/page-files.ts';
import { codeOf, raw, startHttpApp } from './harness.ts';
import type { HttpApp } from './harness.ts';

/** The path as it is, which fetch would tidy. */
function climb(port: number, path: string): Promise<string> {
  return raw(port, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
}

const minified = (code: string): string => transformSync(code, { minify: true }).code;

describe('the page over HTTP', () => {
  let app: HttpApp;
  beforeAll(async () => {
    // Whoever has no token must see the page that asks for one.
    app = await startHttpApp({ AUTH_MODE: 'jwt', JWT_SECRET: 'x'.repeat(32) });
  });
  afterAll(() => app.close());

  test('is served at /, with a policy that lets in nothing but its own files', async () => {
    const response = await fetch(app.url);
    const policy = response.headers.get('content-security-policy') ?? '';

    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await response.text()).toMatch(/^<!doctype html>/);
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('every file that it names is there, and no script or style is in the page itself', async () => {
    const html = await (await fetch(app.url)).text();
    const sources = readdirSync(PAGE_FOLDER)
      .filter((name) => name.endsWith('.js'))
      .flatMap((name) => [
        ...readFileSync(join(PAGE_FOLDER, name), 'utf8').matchAll(
          /^(?:import|\} from).*'\.\/(.+)'/gm,
        ),
      ])
      .map(([, name]) => `/web/${name}`);
    const named = [...html.matchAll(/(?:src|href)="(\/web\/[^"]+)"/g)].map(([, path]) => path);
    for (const path of new Set([...named, ...sources])) {
      expect([path, (await fetch(app.url + path)).status]).toEqual([path, 200]);
    }

    expect(html).not.toMatch(/<script(?![^>]*src=)|<style| on\w+=| style=/);
    expect(sources.length).toBeGreaterThan(20);
  });

  test('is asked for anew each time, and mostly has not changed', async () => {
    const first = await fetch(`${app.url}/web/app.js`);
    const etag = first.headers.get('etag') ?? '';
    // fetch itself would ask for a fresh copy.
    const again = await raw(
      app.port,
      `GET /web/app.js HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAccept-Encoding: gzip\r\nIf-None-Match: ${etag}\r\n\r\n`,
    );
    const head = await fetch(`${app.url}/web/app.js`, { method: 'HEAD' });

    expect(first.headers.get('cache-control')).toBe('no-cache');
    expect(first.headers.get('content-encoding')).toBe('gzip');
    expect(first.headers.get('vary')).toContain('Accept-Encoding');
    expect(again).toMatch(/^HTTP\/1.1 304 /);
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  test('comes plain to those who take no gzip', async () => {
    const request = 'GET /web/time.js HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n';
    const answer = await raw(app.port, request);

    expect(answer).toContain('export function duration');
    expect(answer).not.toContain('Content-Encoding');
  });

  test.each([
    '/web/',
    '/web/none.js',
    '/web/types.d.ts',
    '/web/tsconfig.json',
    '/web/..%2fpackage.json',
    '/web/%2e%2e%2fpackage.json',
    '/web/..%5cpackage.json',
    '/web/constructor',
    '/web/__proto__',
    '/web/app.js%00.html',
  ])('%s is 404', async (path) => {
    expect(await codeOf(fetch(app.url + path))).toBe('404 NOT_FOUND');
  });

  test('a path that climbs finds nothing', async () => {
    for (const path of ['/web/../package.json', '/web/./../src/main.ts', '/web//../x']) {
      expect(await climb(app.port, path)).toMatch(/^HTTP\/1.1 404 /);
    }
    expect(await climb(app.port, '/web/%')).toMatch(/^HTTP\/1.1 400 /);
  });

  test('all of it is at most 45 KB over the wire', () => {
    const sizes = [...readPageFiles().values()].map(({ gzip }) => gzip.byteLength);

    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(45_000);
  });

  test('what is left out of the scripts is comments only', () => {
    const code = "/** @type {X} */ (a).b(); // y\nc('/** d */');\n";
    expect(withoutDocs(`/** e\n * f */\n${code}  // z\n  /** g */\n`)).toBe(code);

    for (const name of readdirSync(PAGE_FOLDER).filter((each) => each.endsWith('.js'))) {
      const source = readFileSync(join(PAGE_FOLDER, name), 'utf8');

      expect(minified(withoutDocs(source))).toBe(minified(source));
    }
  });
});
