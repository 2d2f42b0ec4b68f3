import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { unavailable } from '../../../src/errors.ts';
import { answerOf, codeOf, raw, startHttpApp, until, type HttpApp } from './harness.ts';

/** Section 11 of docs/PROTOCOL.md: what goes in, what comes out, and what is left of what was refused. */

const LIMIT = 100_000;
const PNG = Buffer.from('\x89PNG\r\n\x1a\n and more', 'latin1');
/** What makes a client's network pieces: larger than any one read. */
const LARGE = Buffer.alloc(3 * LIMIT, 'x');

let app: HttpApp;

beforeEach(async () => {
  app = await startHttpApp({
    MAX_FILE_BYTES: String(LIMIT),
    MAX_FILES_PER_USER: '4',
    MAX_FILE_BYTES_PER_USER: '250000',
  });
});

afterEach(async () => {
  await app.close();
});

const path = (fileId: string): string => `${app.url}/api/files/${fileId}`;

function upload(
  bytes: string | Uint8Array<ArrayBuffer>,
  name = 'a.txt',
  headers: Record<string, string> = {},
) {
  return fetch(`${app.url}/api/files`, {
    method: 'POST',
    headers: { 'x-file-name': encodeURIComponent(name), ...headers },
    body: bytes,
  });
}

function form(...files: [field: string, name: string, bytes: string | Uint8Array<ArrayBuffer>][]) {
  const body = new FormData();
  for (const [field, name, bytes] of files) body.append(field, new Blob([bytes]), name);
  return fetch(`${app.url}/api/files`, { method: 'POST', body });
}

const BOUNDARY = { 'content-type': 'multipart/form-data; boundary=b' };

const posted = (body: string, headers: Record<string, string>): Promise<string> =>
  codeOf(fetch(`${app.url}/api/files`, { method: 'POST', headers, body }));

async function* secret(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('secret');
}

async function put(bytes: string | Uint8Array<ArrayBuffer>, name?: string): Promise<string> {
  const { body } = await answerOf(upload(bytes, name));
  return String(body['fileId']);
}

const isRefusal = ({ status }: Record<string, unknown>): boolean =>
  status === 400 || status === 499;
const nothingLeft = (): void => expect(app.files.blobs.size).toBe(0);

describe('POST /api/files', () => {
  test('takes a body as a file, and says what it is', async () => {
    const { status, body, headers } = await answerOf(upload('hello', 'Grüße.md'));

    expect(status).toBe(201);
    expect(body).toEqual({
      fileId: expect.stringMatching(/^file_[0-9a-z]{27}$/),
      name: 'Grüße.md',
      mediaType: 'text/markdown',
      size: 5,
      createdAt: expect.any(String),
      origin: 'upload',
      url: `/api/files/${String(body['fileId'])}`,
    });
    expect(headers.get('location')).toBe(body['url']);
  });

  test('takes a form of one file as a file, of several as a list', async () => {
    const one = await answerOf(form(['file', 'a.png', PNG]));
    const two = await answerOf(form(['file', '../../b.txt', 'b'], ['file', 'c.bin', '\0']));

    expect(one).toMatchObject({ status: 201, body: { name: 'a.png', mediaType: 'image/png' } });
    expect(two).toMatchObject({
      status: 201,
      body: {
        items: [
          { name: 'b.txt', mediaType: 'text/plain', size: 1 },
          { name: 'c.bin', mediaType: 'application/octet-stream' },
        ],
      },
    });
  });

  test('no file is taken for what a browser would run, whatever is said of it', async () => {
    const html = '<script>alert(1)</script>';
    for (const type of ['text/html', 'image/svg+xml', 'text/javascript', 'image/png']) {
      const { body } = await answerOf(upload(html, 'x.html', { 'content-type': type }));
      expect(body['mediaType']).toBe('text/plain');
      await fetch(path(String(body['fileId'])), { method: 'DELETE' });
    }
  });

  test('a file over the limit is refused, announced or not, and nothing is left', async () => {
    expect(await codeOf(upload(LARGE))).toBe('413 FILE_TOO_LARGE');
    expect(await codeOf(form(['file', 'a', LARGE.subarray(0, LIMIT + 1)]))).toBe(
      '413 FILE_TOO_LARGE',
    );
    const chunk = `${(LIMIT + 1).toString(16)}\r\n${'x'.repeat(LIMIT + 1)}\r\n0\r\n\r\n`;
    const head = 'POST /api/files HTTP/1.1\r\nhost: localhost\r\nx-file-name: a\r\n';
    const answer = await raw(app.port, `${head}transfer-encoding: chunked\r\n\r\n${chunk}`, {
      until: 'FILE_TOO_LARGE',
    });
    expect(answer).toContain('413 Payload Too Large');
    nothingLeft();
  });

  test('a form is taken as a whole or not at all', async () => {
    expect(
      await codeOf(form(['file', 'a', 'a'], ['file', 'b', LARGE.subarray(0, LIMIT + 1)])),
    ).toBe('413 FILE_TOO_LARGE');
    expect(await codeOf(form(['file', 'a', 'a'], ['other', 'b', 'b']))).toBe('400 INVALID_REQUEST');
    nothingLeft();
  });

  test('nobody has more files or bytes than the limits', async () => {
    const most = LARGE.subarray(0, LIMIT);
    await put(most);
    await put(most);
    expect(await codeOf(upload(most))).toBe('413 FILE_QUOTA_EXCEEDED');
    await put('c');
    await put('d');
    expect(await codeOf(upload('e'))).toBe('429 TOO_MANY_FILES');
    expect(app.files.blobs.size).toBe(4);
  });

  test('forms that are broken, empty or of fields are a 400', async () => {
    const part = 'content-disposition: form-data; name="file"; filename="a"\r\n\r\n';
    const fields = Array.from(
      { length: 10_000 },
      (_, n) => `--b\r\ncontent-disposition: form-data; name="f${n}"\r\n\r\n1\r\n`,
    );

    for (const body of [
      '',
      '--b--\r\n',
      'nonsense',
      `--b\r\n${part}a part without an end`,
      `--b\r\nno header at all`,
      `--b\r\n${'x-a: b\r\n'.repeat(2_000)}\r\n\r\nx\r\n--b--\r\n`,
      `${fields.join('')}--b--\r\n`,
      `--b\r\n${part}a\r\n`.repeat(11) + '--b--\r\n',
    ]) {
      expect([body.slice(0, 30), await posted(body, BOUNDARY)]).toEqual([
        body.slice(0, 30),
        '400 INVALID_REQUEST',
      ]);
    }
    expect(await posted('x', { 'content-type': 'multipart/form-data' })).toBe(
      '400 INVALID_REQUEST',
    );
    nothingLeft();
  });

  test('other bodies, and compressed ones, are a 415', async () => {
    const json = { 'content-type': 'application/json' };
    expect(await posted('{}', json)).toBe('415 UNSUPPORTED_MEDIA_TYPE');
    expect(await posted('{}', { 'x-file-name': 'a', 'content-encoding': 'gzip' })).toBe(
      '415 UNSUPPORTED_MEDIA_TYPE',
    );
    nothingLeft();
  });

  test('what breaks off leaves nothing: bodies and forms, in the middle', async () => {
    const head = 'POST /api/files HTTP/1.1\r\nhost: localhost\r\n';
    const part = '--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n';
    for (const request of [
      `${head}x-file-name: a\r\ncontent-length: 5000\r\n\r\nonly this`,
      `${head}content-type: multipart/form-data; boundary=b\r\ncontent-length: 5000\r\n\r\n${part}x`,
      `${head}content-type: multipart/form-data; boundary=b\r\ncontent-length: 5000\r\n\r\n--b\r\n`,
    ]) {
      const refused = app.log.filter(isRefusal).length;
      await raw(app.port, request, { halfClose: true });
      await until(() => app.log.filter(isRefusal).length > refused);
    }
    expect(await codeOf(fetch(`${app.url}/api/files`))).toBe('200 -');
    nothingLeft();
    // Their places are free again.
    expect((await upload('x')).status).toBe(201);
  });

  test('a full disk is a 503, and nothing is left', async () => {
    app.files.fault.error = unavailable(new Error('no space'));

    expect(await codeOf(upload('hello'))).toBe('503 UNAVAILABLE');
    expect(await codeOf(form(['file', 'a', 'hello']))).toBe('503 UNAVAILABLE');
    nothingLeft();
    app.files.fault.error = undefined;
    expect((await upload('hello')).status).toBe(201);
  });
});

describe('GET /api/files', () => {
  test('gives the bytes with what keeps them from running', async () => {
    const id = await put('héllo', 'a "b".html');

    const { status, headers, text } = await answerOf(fetch(path(id)));

    expect(status).toBe(200);
    expect(text).toBe('héllo');
    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(headers.get('content-length')).toBe('6');
    expect(headers.get('content-disposition')).toBe(
      `attachment; filename="a _b_.html"; filename*=UTF-8''a%20_b_.html`,
    );
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain('sandbox');
    const image = await fetch(path(await put(PNG, 'a.png')));
    expect(image.headers.get('content-disposition')).toMatch(/^inline/);
    expect(Buffer.from(await image.arrayBuffer()).equals(PNG)).toBe(true);
  });

  test('knows what the client has, and gives ranges', async () => {
    const id = await put('0123456789');
    const get = (headers: Record<string, string>) => answerOf(fetch(path(id), { headers }));
    const etag = (await get({})).headers.get('etag') ?? '';

    expect((await get({ 'if-none-match': etag })).status).toBe(304);
    const middle = await get({ range: 'bytes=2-4' });
    expect([middle.status, middle.text, middle.headers.get('content-range')]).toEqual([
      206,
      '234',
      'bytes 2-4/10',
    ]);
    expect((await get({ range: 'bytes=-3' })).text).toBe('789');
    expect((await get({ range: 'bytes=8-99' })).text).toBe('89');
    const beyond = await get({ range: 'bytes=10-' });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */10']);
    expect(beyond.body).toMatchObject({ error: { code: 'RANGE_NOT_SATISFIABLE' } });
    for (const ignored of ['bytes=0-1,3-4', 'lines=1-2', 'bytes=4-2', 'bytes=-'])
      expect((await get({ range: ignored })).text).toBe('0123456789');
    const other = await get({ range: 'bytes=0-1', 'if-range': '"another"' });
    expect([other.status, other.text]).toEqual([200, '0123456789']);
    const head = await fetch(path(id), { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([
      200,
      '10',
      '',
    ]);
  });

  test('lists them newest first, in pages, until they are deleted', async () => {
    const ids = [await put('1'), await put('2'), await put('3')];

    const first = await answerOf(fetch(`${app.url}/api/files?limit=2`));
    const cursor = String(first.body['nextCursor']);
    const second = await answerOf(fetch(`${app.url}/api/files?limit=2&cursor=${cursor}`));

    expect(first.body['items']).toMatchObject([{ fileId: ids[2] }, { fileId: ids[1] }]);
    expect(second.body).toMatchObject({ items: [{ fileId: ids[0] }], nextCursor: null });
    expect((await fetch(path(ids[0] ?? ''), { method: 'DELETE' })).status).toBe(204);
    for (const method of ['GET', 'DELETE'])
      expect(await codeOf(fetch(path(ids[0] ?? ''), { method }))).toBe('404 NOT_FOUND');
    expect(app.files.blobs.size).toBe(2);
  });

  test("somebody else's file is one that is not there, to the byte", async () => {
    const owner = { tenantId: 'default', userId: 'other' };
    const foreign = await app.files.files.upload(owner, {
      name: 'a',
      mediaType: undefined,
      bytes: secret(),
    });

    for (const method of ['GET', 'DELETE']) {
      const theirs = await answerOf(fetch(path(foreign.fileId), { method }));
      const nobodys = await answerOf(fetch(path('file_0'), { method }));
      expect([theirs.status, theirs.text]).toEqual([nobodys.status, nobodys.text]);
    }
    for (const odd of ['..%2f..%2fetc%2fpasswd', '%00', 'a'.repeat(300)])
      expect(await codeOf(fetch(path(odd)))).toMatch(/^40[04] /);
    expect((await answerOf(fetch(`${app.url}/api/files`))).body['items']).toEqual([]);
  });

  test('a client that leaves in the middle costs nothing', async () => {
    const id = await put(LARGE.subarray(0, LIMIT));
    const request = `GET /api/files/${id} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
    await raw(app.port, request, { until: 'xxx' });

    expect((await answerOf(fetch(path(id)))).text).toHaveLength(LIMIT);
    expect(app.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });
});
