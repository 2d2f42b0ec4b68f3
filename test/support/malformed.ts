import fc from 'fast-check';

/** Requests as nobody should send them. Kept apart from any test: the fuzz programme draws from here too. */

export interface RawRequest {
  method: string;
  path: string;
  headers: [string, string][];
  body: Uint8Array;
  /** How the body is announced. `short`: less than Content-Length comes, then the client is silent for good. */
  framing: 'length' | 'chunked' | 'short' | 'none';
}

/** A route with bodies that it would take, to be damaged. */
export interface Target {
  method: string;
  path: string;
  bodies: Record<string, unknown>[];
}

const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

const hostileText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '',
    ' ',
    '\u0000',
    '../../etc/passwd',
    "' OR 1=1 --",
    '${jndi:ldap://x}',
    '<script>',
    '__proto__',
    '%00',
    '\ud800',
    '\u202e',
    '0',
    'null',
    'gen_'.repeat(100),
  ),
);

const hostileKey = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', '', 'then', '$where', 'a.b'),
  hostileText,
);

const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  { depthSize: 'small' },
  fc.jsonValue(),
  hostileText,
  fc.constantFrom(null, true, -1, 0, 1e308, Number.MAX_SAFE_INTEGER + 2, [], {}, [[]], [null]),
  fc.dictionary(hostileKey, fc.jsonValue(), { maxKeys: 5 }),
);

function deep(depth: number, kind: 'list' | 'object'): string {
  return kind === 'list'
    ? '['.repeat(depth) + ']'.repeat(depth)
    : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
}

/** JSON as text, since some of it no object of JavaScript can hold. */
function jsonText(bodies: Record<string, unknown>[]): fc.Arbitrary<string> {
  const good = fc.constantFrom(...(bodies.length === 0 ? [{}] : bodies));
  const keys = [...new Set(bodies.flatMap((body) => Object.keys(body)))];
  const key = keys.length === 0 ? hostileKey : fc.oneof(fc.constantFrom(...keys), hostileKey);
  const damaged = fc
    .tuple(good, fc.array(fc.tuple(key, hostileValue), { minLength: 1, maxLength: 3 }))
    .map(([body, changes]) =>
      JSON.stringify(Object.fromEntries([...Object.entries(body), ...changes])),
    );
  const raw = fc.tuple(good, hostileKey, hostileValue).map(([body, name, value]) => {
    const text = JSON.stringify(body);
    // Written by hand: a real own key `__proto__`, and keys that come twice.
    return `${text.slice(0, -1)}${text === '{}' ? '' : ','}${JSON.stringify(name)}:${JSON.stringify(value)}}`;
  });
  return fc.oneof(
    damaged,
    raw,
    hostileValue.map((value) => JSON.stringify(value)),
    fc
      .tuple(fc.integer({ min: 1, max: 60_000 }), fc.constantFrom('list', 'object'))
      .map(([depth, kind]) => deep(depth, kind === 'list' ? 'list' : 'object')),
    fc
      .integer({ min: 900, max: 3_000 })
      .map((count) =>
        JSON.stringify(
          Object.fromEntries(Array.from({ length: count }, (_each, n) => [`k${n}`, n])),
        ),
      ),
    fc.integer({ min: 1, max: 400_000 }).map((size) => JSON.stringify({ ['k'.repeat(size)]: 1 })),
    good.map((body) => JSON.stringify(body).replace(/"/, "'")),
    fc.tuple(good, fc.nat()).map(([body, at]) => {
      const text = JSON.stringify(body);
      return text.slice(0, at % text.length);
    }),
  );
}

function bodyBytes(bodies: Record<string, unknown>[]): fc.Arbitrary<Uint8Array> {
  const badUtf8 = fc
    .tuple(jsonText(bodies), fc.nat(), fc.constantFrom(0xff, 0xc0, 0xed, 0x80))
    .map(([text, at, byte]) => {
      const bytes = utf8(text);
      if (bytes.length > 0) bytes[at % bytes.length] = byte;
      return bytes;
    });
  return fc.oneof(
    { arbitrary: jsonText(bodies).map(utf8), weight: 6 },
    { arbitrary: badUtf8, weight: 2 },
    { arbitrary: fc.uint8Array({ maxLength: 200 }), weight: 1 },
  );
}

const headerText = fc
  .array(fc.constantFrom(...'abcXYZ0189 ,;="/\\%$()<>@[]{}\u00e4\u00ff\t'.split('')), {
    maxLength: 40,
  })
  .map((characters) => characters.join(''));

const oddHeader = fc.tuple(
  fc.constantFrom(
    'Accept',
    'Authorization',
    'Cookie',
    'Origin',
    'Idempotency-Key',
    'Last-Event-ID',
    'X-Request-Id',
    'Content-Encoding',
    'Expect',
    'Range',
    'If-None-Match',
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'X-HTTP-Method-Override',
    'Upgrade',
  ),
  fc.oneof(headerText, fc.constantFrom('*', 'Bearer x.y.z', '100-continue', 'websocket', 'null')),
);

const contentType = fc.oneof(
  { arbitrary: fc.constant('application/json'), weight: 6 },
  {
    arbitrary: fc.constantFrom(
      'application/json; charset=utf-16',
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'application/json;;;',
      ';',
      '',
    ),
    weight: 2,
  },
  { arbitrary: headerText, weight: 1 },
);

/** Path and query: what a URL may hold at all, in the parameters' places. */
function hostilePath(path: string): fc.Arbitrary<string> {
  const segment = fc.oneof(
    { arbitrary: fc.constant('gen_1'), weight: 2 },
    {
      arbitrary: fc.constantFrom(
        '%',
        '%00',
        '%ff',
        '%2e%2e',
        '..',
        'a%2Fb',
        'x'.repeat(2_000),
        '$',
        ';',
        '*',
      ),
      weight: 1,
    },
    {
      arbitrary: hostileText.map(
        (text) => encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd')) || 'x',
      ),
      weight: 2,
    },
  );
  const query = fc.oneof(
    { arbitrary: fc.constant(''), weight: 2 },
    {
      arbitrary: fc.constantFrom(
        '?after=%ff&snapshot=1',
        '?snapshot=[]',
        '?limit=1e9',
        '?limit=&cursor=%00',
        '?cursor=' + 'a'.repeat(2_000),
        '?__proto__[x]=1',
        '?a[b][c]=1&a=2',
        '?&&&=&=',
        '?after=a&after=b',
      ),
      weight: 1,
    },
  );
  return fc.tuple(segment, query).map(([value, rest]) => path.replace(/:\w+/g, () => value) + rest);
}

/** Requests at `target` that are wrong in one or more ways; now and then one is right by chance. */
export function malformedRequest(target: Target): fc.Arbitrary<RawRequest> {
  const withBody = target.bodies.length > 0;
  return fc.record({
    method: fc.constant(target.method),
    path: hostilePath(target.path),
    headers: fc
      .tuple(contentType, fc.array(oddHeader, { maxLength: 3 }))
      .map(([type, odd]): [string, string][] => [['Content-Type', type], ...odd]),
    body: withBody ? bodyBytes(target.bodies) : fc.constant(new Uint8Array(0)),
    framing: withBody
      ? fc.oneof(
          { arbitrary: fc.constant<'length'>('length'), weight: 8 },
          { arbitrary: fc.constantFrom<'chunked' | 'short'>('chunked', 'short'), weight: 1 },
        )
      : fc.constantFrom<'none' | 'length'>('none', 'length'),
  });
}

function framed({ body, framing }: RawRequest): { header: string; bytes: Uint8Array } {
  if (framing === 'none') return { header: '', bytes: new Uint8Array(0) };
  if (framing === 'chunked') {
    const head = body.length === 0 ? '' : `${body.length.toString(16)}\r\n`;
    const tail = body.length === 0 ? '0\r\n\r\n' : '\r\n0\r\n\r\n';
    return {
      header: 'Transfer-Encoding: chunked\r\n',
      bytes: Buffer.concat([Buffer.from(head), body, Buffer.from(tail)]),
    };
  }
  const length = framing === 'short' ? body.length + 10 : body.length;
  return { header: `Content-Length: ${length}\r\n`, bytes: body };
}

/** The bytes to write to a socket. */
export function wireBytes(request: RawRequest): Uint8Array {
  const { header, bytes } = framed(request);
  const lines = request.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = `${request.method} ${request.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${lines}${header}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes]);
}
