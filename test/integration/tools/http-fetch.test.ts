import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Socket } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { systemClock } from '../../../src/lib/clock.ts';
import { isPublicAddress } from '../../../src/tools/addresses.ts';
import { httpFetchTool, type HttpFetchDeps } from '../../../src/tools/http-fetch.ts';
import type { Address, Resolve } from '../../../src/tools/fetch-target.ts';
import { callTool } from '../../support/tool-run.ts';

/** A web server on this machine plays the public web: 127.0.0.1 is let through, and only there. */

let server: Server;
let port = 0;
let requests: string[] = [];
const sockets = new Set<Socket>();

const BOMB = Number(process.env['FETCH_BOMB'] ?? 30_000_000);

/** Packed before it is asked for: that takes a while, and who asks does not wait for ever. */
const bomb = brotliCompressSync(Buffer.alloc(BOMB, 'a'), { params: { 1: 1 } });

const html = { 'content-type': 'text/html; charset=utf-8' };
const plain = { 'content-type': 'text/plain' };

/** What the server does with a path; with any other it gives no answer at all. */
const PAGES: Record<string, (res: ServerResponse, url: URL) => void> = {
  '/page': (res) => res.writeHead(200, html).end('<h1>Grüße</h1><script>no()</script><p>a &lt; b'),
  '/latin': (res) =>
    res
      .writeHead(200, { 'content-type': 'text/plain; charset=iso-8859-1' })
      .end(Buffer.from('Grüße', 'latin1')),
  '/to': (res, { searchParams }) =>
    res.writeHead(302, { location: searchParams.get('url') ?? '' }).end(),
  '/round': (res) => res.writeHead(301, { location: '/round' }).end(),
  '/gzip': (res) =>
    res.writeHead(200, { ...html, 'content-encoding': 'gzip' }).end(gzipSync('<p>packed')),
  '/bomb': (res) => res.writeHead(200, { ...plain, 'content-encoding': 'br' }).end(bomb),
  '/broken': (res) => res.writeHead(200, { ...plain, 'content-encoding': 'gzip' }).end('no gzip'),
  '/strange': (res) => res.writeHead(200, { ...plain, 'content-encoding': 'zip' }).end('x'),
  '/image': (res) => res.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.alloc(100)),
  '/headers': (res) => res.writeHead(200, { 'x-long': 'a'.repeat(20_000) }).end(),
  '/missing': (res) =>
    res.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"none"}'),
  '/half': (res) => {
    res.writeHead(200, { ...plain, 'content-length': '100' });
    res.write('half', () => res.destroy());
  },
  '/slow': (res) => {
    res.writeHead(200, plain).write('a');
  },
};

describe('http_fetch', () => {
  beforeAll(async () => {
    server = createServer((req, res) => {
      const url = new URL(req.url ?? '/', 'http://x');
      requests.push(`${req.method} ${req.headers.host} ${req.url}`);
      PAGES[url.pathname]?.(res, url);
    });
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo); // oxlint-disable-line typescript/no-unsafe-type-assertion -- a TCP server's address is one
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const NAMES: Record<string, Address[]> = {
    'site.test': [{ address: '127.0.0.1', family: 4 }],
    'inside.test': [{ address: '10.0.0.8', family: 4 }],
    'both.test': [
      { address: '127.0.0.1', family: 4 },
      { address: '10.0.0.8', family: 4 },
    ],
    'six.test': [{ address: '::ffff:10.0.0.8', family: 6 }],
  };

  const resolve: Resolve = async (hostname) => {
    const found = NAMES[hostname];
    if (!found) throw new Error('ENOTFOUND');
    return found;
  };

  const localhost: Resolve = async (name) =>
    /^localhost\.?$/.test(name) ? [{ address: '127.0.0.1', family: 4 }] : resolve(name);

  interface Given extends Partial<HttpFetchDeps> {
    method?: 'HEAD';
    maxBytes?: number;
    timeout?: number;
    allow?: string[] | undefined;
    signal?: AbortSignal;
  }

  async function fetched(path: string, given: Given = {}): Promise<string> {
    requests = [];
    const url = path.startsWith('/') ? `http://site.test:${port}${path}` : path;
    const { method, maxBytes = 100_000, timeout = 20_000 } = given;
    const allow = 'allow' in given ? given.allow : [`*:${port}`];
    const tool = httpFetchTool({
      clock: systemClock,
      settings: () => ({ maxBytes, timeout, ...(allow ? { allow } : {}) }),
      resolve,
      isPublic: (ip) => ip === '127.0.0.1' || isPublicAddress(ip),
      ...given,
    });
    const args = { url, ...(method ? { method } : {}) };
    return (await callTool(tool, args, given.signal ? { signal: given.signal } : {})).text;
  }

  describe('reads', () => {
    test('a page as text, with where it came from', async () => {
      expect(await fetched('/page')).toBe(
        `HTTP 200\nURL: http://site.test:${port}/page\nContent type: text/html\n\nGrüße\n\na < b`,
      );
      expect(requests).toEqual([`GET site.test:${port} /page`]);
    });

    test('other charsets, packed pages, and what is not found', async () => {
      expect(await fetched('/latin')).toMatch(/Grüße$/);
      expect(await fetched('/gzip')).toMatch(/\n\npacked$/);
      expect(await fetched('/missing')).toMatch(/^HTTP 404\n[^]*\{"error":"none"\}$/);
    });

    test('no body with HEAD, and nothing that is no text', async () => {
      expect(await fetched('/page', { method: 'HEAD' })).toMatch(/Content type: text\/html$/);
      expect(await fetched('/image')).toMatch(/\[left out: it is not text\]$/);
    });

    test('redirects, with the place they led to', async () => {
      expect(await fetched('/to?url=/page')).toContain(`URL: http://site.test:${port}/page`);
    });
  });

  describe('refuses', () => {
    const REFUSED = /not a public host|Only http|Port \d+|has no address|user or password/;

    test.each([
      'http://localhost/',
      'http://localhost./',
      'http://0.0.0.0/',
      'http://0/',
      'http://127.1/',
      'http://2130706433/',
      'http://0177.0.0.1/',
      'http://0x7f.1/',
      'http://0x7f000001/',
      'http://[::1]/',
      'http://[::]/',
      'http://[::ffff:127.0.0.1]/',
      'http://[::ffff:7f00:1]/',
      'http://[64:ff9b::127.0.0.1]/',
      'http://[2002:7f00:1::]/',
      'http://169.254.169.254/latest/meta-data/',
      'http://[fd00:ec2::254]/',
      'http://168.63.129.16/',
      'http://①②⑦.⓪.⓪.①/',
      'http://inside.test/',
      'http://both.test/',
      'http://six.test/',
      'http://10.0.0.8/',
      'http://unknown.test/',
      'http://user:pw@site.test/',
      'http://site.test:6379/',
      'gopher://site.test/',
      'file:///etc/passwd',
    ])('%s', async (url) => {
      // As it is in production: the real list of what is public, no list of hosts.
      const given = { allow: undefined, isPublic: isPublicAddress, resolve: localhost };

      expect(await fetched(url, given)).toMatch(REFUSED);
      expect(requests).toEqual([]);
    });

    test.each([
      'http://169.254.169.254/latest/meta-data/',
      'http://inside.test/',
      'http://[::1]:80/',
      '//10.0.0.8/',
      'file:///etc/passwd',
      'http://a:b@site.test/',
      'http://site.test:22/',
    ])('a redirect to %s', async (url) => {
      const allow = [`site.test:${port}`, '*'];
      const said = await fetched(`/to?url=${encodeURIComponent(url)}`, { allow });

      expect(said).toMatch(REFUSED);
      expect(requests).toHaveLength(1);
    });

    test('a chain of redirects without end', async () => {
      expect(await fetched('/round')).toBe('There are too many redirects.');
      expect(requests).toHaveLength(6);
    });

    test('a name that means something else a moment later: nobody asks it again', async () => {
      let asked = 0;
      const rebinding: Resolve = async () => {
        asked += 1;
        return [{ address: asked === 1 ? '127.0.0.1' : '10.0.0.8', family: 4 }];
      };

      // The second answer would not be let through; the first is what is connected to.
      expect(await fetched('/page', { resolve: rebinding })).toMatch(/^HTTP 200/);
      expect(asked).toBe(1);
      // A redirect is a request of its own: asked again, checked again.
      asked = 0;
      expect(await fetched('/to?url=/page', { resolve: rebinding })).toBe(
        'site.test is not a public host.',
      );
    });
  });

  describe('bounds', () => {
    test('what it reads, also when it is packed', async () => {
      const said = await fetched('/bomb', { maxBytes: 50_000 });

      expect(said).toMatch(/\[cut: only the first 50000 bytes were read\]$/);
      expect(said.length).toBeLessThan(60_000);
    });

    test.each(['/slow', '/never'])('how long it waits: %s', async (path) => {
      expect(await fetched(path, { timeout: 200 })).toBe('There was no answer within 200 ms.');
    });

    test('headers, and answers that break off', async () => {
      expect(await fetched('/headers')).toBe('The request failed (HPE_HEADER_OVERFLOW).');
      expect(await fetched('/half')).toBe('The request failed (ECONNRESET).');
      expect(await fetched('/broken')).toBe('The request failed (Z_DATA_ERROR).');
      expect(await fetched('/strange')).toMatch(/packed in a way/);
      expect(await fetched('http://site.test:1/', { allow: ['site.test:1'] })).toBe(
        'The request failed (ECONNREFUSED).',
      );
    });

    test('a run that is stopped does not wait', async () => {
      const stop = new AbortController();
      const asked = fetched('/never', { signal: stop.signal });
      stop.abort(new Error('stopped'));

      await expect(asked).rejects.toThrow('stopped');
    });

    test('leaves no connection open', async () => {
      await fetched('/page');
      await fetched('/bomb', { maxBytes: 10 });
      const deadline = Date.now() + 5_000;
      while (sockets.size > 0 && Date.now() < deadline)
        await new Promise((resolve) => setImmediate(resolve));

      expect(sockets.size).toBe(0);
    });
  });
});
