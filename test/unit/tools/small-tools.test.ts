import { describe, expect, test } from '@jest/globals';
import { toolResultOf } from '../../../src/mcp/result.ts';
import { effectsOf } from '../../../src/mcp/effects.ts';
import { filled } from '../../../src/mcp/placeholders.ts';
import { argsCheck } from '../../../src/agent/args-schema.ts';
import { matchesGlob } from '../../../src/hitl/glob.ts';
import { mcpToolName } from '../../../src/hitl/mcp-names.ts';
import { currentTimeTool, timeText } from '../../../src/tools/current-time.ts';
import { htmlToText } from '../../../src/tools/html-text.ts';
import { isPublicAddress } from '../../../src/tools/addresses.ts';
import { checkUrl } from '../../../src/tools/fetch-target.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** What the second asking says, and how often the schema was said to be unusable. */
function check(schema: object, args: unknown): [string | undefined, number] {
  let faults = 0;
  const refuse = argsCheck('t', JSON.parse(JSON.stringify(schema)), () => (faults += 1));
  refuse(args);
  return [refuse(args), faults];
}

const env = (name: string) => (name === 'KEY' ? '{{user.id}}' : undefined);

describe('names of MCP tools', () => {
  const names = [
    'read',
    'files/read',
    'files_x2f_read',
    'files.read',
    'a_x5f_x2f_b',
    'a_/b',
    '_',
    '__',
    'Ü',
  ];

  test('differ where the tools differ', () => {
    expect(new Set(names.map((name) => mcpToolName('s', name))).size).toBe(names.length);
  });

  test('of 64 characters stay, longer ones are cut and stay apart', () => {
    const [a, b] = [`${'n'.repeat(80)}a`, `${'n'.repeat(80)}b`].map((it) => mcpToolName('s', it));

    expect(mcpToolName('s', 'n'.repeat(56))).toBe(`mcp__s__${'n'.repeat(56)}`);
    expect(a).toMatch(/^mcp__s__n{47}_[0-9a-f]{8}$/);
    expect(a).not.toBe(b);
  });

  test.each([
    ['mcp:s:read', 'read', true],
    ['mcp:s:files/read', 'files/read', true],
    ['mcp:s:files/*', 'files/read', true],
    ['mcp:s:*/read', 'files/read', true],
    ['mcp:s:files/*', 'files_read', false],
    ['mcp:*:read*', 'read_all', true],
    ['mcp:other:*', 'read', false],
    ['mcp:s:*', 'read', true],
    ['mcp__s__*', 'read', true],
    ['mcp:s', 'read', false],
    [`mcp:s:${'n'.repeat(80)}`, 'n'.repeat(80), true],
    ['mcp:s:nnn*', 'n'.repeat(80), true],
  ])('%s and %s: %s', (pattern, tool, matches) => {
    expect(matchesGlob(pattern, mcpToolName('s', tool))).toBe(matches);
  });
});

describe('what is said of an MCP tool', () => {
  const effects = [{ tools: 'get_*', effects: 'read' as const }];

  test.each([
    [{}, 'unsafe'],
    [{ readOnlyHint: true }, 'read'],
    [{ idempotentHint: true }, 'idempotent'],
    [{ destructiveHint: false }, 'unsafe'],
    [{ idempotentHint: true, destructiveHint: true }, 'unsafe'],
    [{ readOnlyHint: false, idempotentHint: true }, 'idempotent'],
  ])('%j is %s', (annotations, said) => {
    const tool = { name: 'do_it', annotations };
    expect(effectsOf({ effects, trustAnnotations: true }, tool)).toBe(said);
    expect(effectsOf({ effects, trustAnnotations: false }, tool)).toBe('unsafe');
    expect(effectsOf({ effects, trustAnnotations: false }, { ...tool, name: 'get_it' })).toBe(
      'read',
    );
  });

  test('is never put in twice: a value of the environment or a user id is no placeholder', () => {
    const owner = { tenantId: '${KEY}', userId: '{{user.tenant}}' };
    const headers = { a: '${KEY} {{user.tenant}} {{ user.id }}', b: '{{user.name}}' };

    expect(filled(headers, { env, owner })).toEqual({
      a: '{{user.id}} ${KEY} {{user.tenant}}',
      b: '{{user.name}}',
    });
    expect(() => filled({ a: '${NONE}' }, { env })).toThrow('NONE is not set');
  });

  test('a result of parts that nobody knows still has a text', async () => {
    const resource = { uri: 'a://b', blob: 'AAAA' };
    const content = [null, { type: 'audio' }, { type: 'new' }, { type: 'resource', resource }];

    expect(await toolResultOf({ content }, async () => undefined)).toEqual({
      status: 'ok',
      output:
        '[left out: content of an unknown kind]\n'.repeat(3) +
        '[left out: application/octet-stream, 3 bytes]',
    });
  });
});

describe('arguments by a schema of strangers', () => {
  test('of old and new drafts are checked', () => {
    const old = { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'number' }] };
    const pair = { prefixItems: [{ type: 'number' }] };

    expect(check({ properties: { a: old } }, { a: ['x'] })).toEqual([
      'The arguments of t are not valid: a.0: must be number.',
      0,
    ]);
    expect(check({ properties: { a: pair } }, { a: ['x'] })[0]).toMatch(/a.0: must be number/);
    expect(check({ required: ['a', 'b'] }, {})[0]).toMatch(/'a'; must have required property 'b'/);
  });

  test.each([
    ['refers to elsewhere', { $ref: 'http://127.0.0.1:1/x' }, {}],
    ['is none', { type: 'nonsense' }, {}],
    [
      'has an expression that does not end',
      { properties: { a: { pattern: '^(a+)+$' } } },
      { a: `${'a'.repeat(40)}!` },
    ],
    [
      'doubles at each step',
      {
        $ref: '#/$defs/0',
        $defs: Object.fromEntries(
          Array.from({ length: 41 }, (_, i) => [
            i,
            i === 40 ? {} : { allOf: [{ $ref: `#/$defs/${i + 1}` }, { $ref: `#/$defs/${i + 1}` }] },
          ]),
        ),
      },
      {},
    ],
    ['refers to itself', { $ref: '#' }, {}],
  ])('a schema that %s is told of once and not enforced', (_why, schema, args) => {
    expect(check(schema, args)).toEqual([undefined, 1]);
  });
});

describe('current_time', () => {
  const at = Date.parse('2026-11-21T21:15:00Z');

  test.each([
    ['Europe/Vienna', '2026-11-21T22:15:00+01:00, Saturday (Europe/Vienna)'],
    ['Asia/Kolkata', '2026-11-22T02:45:00+05:30, Sunday (Asia/Kolkata)'],
    ['UTC', '2026-11-21T21:15:00+00:00, Saturday (UTC)'],
  ])('in %s is %s', (zone, text) => {
    expect(timeText(at, zone)).toBe(text);
  });

  test('a place that is no time zone is refused', () => {
    const tool = currentTimeTool({ clock: new FakeClock() });

    expect(tool.refuse({})).toBeUndefined();
    expect(tool.refuse({ timezone: 'Europe/Nowhere' })).toMatch(/is not the name of a time zone/);
  });
});

describe('plain text of HTML', () => {
  test('has no scripts, no tags, and its lines', () => {
    const html =
      '<!doctype html><head><title>T</title><style>a{}</style></head><h1>One &amp; two</h1>' +
      '<script>if (a < b) "</p>"</script><p>Three   <b>four</b><br>f&#105;v&#x65;<!-- <p>no</p> --></p><li>six';

    expect(htmlToText(html)).toBe('One & two\n\nThree four\nfive\n\nsix');
  });

  test.each([
    '<',
    '<!--',
    '<script>',
    '<a '.repeat(50_000),
    '&'.repeat(50_000),
    '<script>'.repeat(20_000),
    '<div>'.repeat(50_000),
  ])('ends for hostile pages', (html) => {
    expect(htmlToText(html).length).toBeLessThanOrEqual(html.length);
  });
});

describe('where http_fetch may go', () => {
  test.each([
    '0.0.0.0',
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '192.0.2.1',
    '198.18.0.1',
    '168.63.129.16',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::7f00:1',
    '64:ff9b:1::1',
    '2002:7f00:1::',
    '2002:808:808::',
    '2001:0:1::1',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    '100::1',
    '2001:db8::1',
    '::127.0.0.1',
    '::ffff:0:127.0.0.1',
    'nonsense',
    '',
  ])('never to %s', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  test.each(['93.184.216.34', '1.1.1.1', '2606:4700::1111', '::ffff:1.1.1.1', '64:ff9b::101:101'])(
    'to %s',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );

  test.each([
    ['ftp://a.example/', undefined, 'Only http://'],
    ['file:///etc/passwd', undefined, 'Only http://'],
    ['gopher://a.example', undefined, 'Only http://'],
    ['//a.example', undefined, 'Only http://'],
    ['http://', undefined, 'Only http://'],
    ['http://user@a.example/', undefined, 'user or password'],
    ['http://:pw@a.example/', undefined, 'user or password'],
    ['http://a.example:22/', undefined, 'Port 22'],
    ['https://a.example:80/', undefined, 'Port 80'],
    ['http://b.example/', ['a.example', '*.a.example'], 'not on the list'],
    ['http://a.example.evil/', ['a.example'], 'not on the list'],
    ['http://a.example:8080/', ['a.example'], 'Port 8080'],
    ['http://a.example:8081/', ['a.example:8080'], 'not on the list'],
  ])('%s with %j: %s', (url, allow, why) => {
    expect(() => checkUrl(url, allow)).toThrow(why);
  });

  test.each([
    ['https://www.a.example/', ['*.a.example']],
    ['https://A.example./', ['a.example']],
    ['http://a.example:8080/', ['a.example:8080']],
    ['https://a.example:443/', undefined],
  ])('%s with %j', (url, allow) => {
    expect(checkUrl(url, allow).protocol).toMatch(/^https?:$/);
  });
});
