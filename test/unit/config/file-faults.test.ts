import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { readConfigText } from '../../../src/config/file/read.ts';
import { OPEN_POLICY } from '../../../src/hitl/tool-policy.ts';

const WORLD = {
  env: { KEY: 'k', OPENAI_API_KEY: 'sk', TOKEN: 't' },
  tools: [
    { name: 'ask_user', effects: 'read' as const },
    { name: 'calculator', effects: 'read' as const },
    { name: 'http_fetch', effects: 'read' as const },
    { name: 'send_mail', effects: 'unsafe' as const },
  ],
  agents: ['coded'],
  policy: OPEN_POLICY,
};

/** One agent and what is said of it. */
const agent = (more: string): string => `agents:\n  - { id: a, model: demo, ${more} }\n`;

const GOOD = `
defaultAgent: support
providers:
  local: { type: openai, baseUrl: http://127.0.0.1:11434/v1 }
  second: { type: anthropic, apiKey: "\${KEY}" }
mcpServers:
  tickets:
    transport: http
    url: https://tickets.example.com/mcp
    headers: { Authorization: "Bearer \${TOKEN}", X-User: "{{user.id}}" }
  disk: { transport: stdio, command: node, args: [disk.mjs], env: { KEY: "\${KEY}" }, timeout: 5s }
agents:
  - id: support
    name: Support
    description: Answers questions about orders.
    model: local:llama3
    parameters: { temperature: 0.2 }
    instructions: "It is {{current_date}}. {{{{ is a brace. The user is {{ user.id }}."
    tools: [calculator, send_mail, "mcp:tickets:*"]
    deferTools: { except: [calculator] }
    toolApproval: { ask: [send_mail, hand_off_to_writer, "mcp:tickets:close_*"], allow: [calculator] }
    approvers: ["role:lead"]
    subagents: [research, { agent: writer, name: write, description: Writes. }]
    handoffs: [research, writer]
    maxSteps: 10
    maxToolCalls: 5
    title: { model: demo }
    context: { strategy: summarise, model: "openai:gpt-mini" }
    files: [image/*, text/plain]
  - { id: research, description: Looks things up., model: "openai:gpt-mini", tools: [http_fetch] }
  - { id: writer, description: Writes texts., model: "second:claude", handoffs: [support], approvers: ["role:lead"], toolApproval: { ask: [hand_off_to_support] } }
policy: { deny: ["mcp:disk:*"] }
routing:
  model: local:llama3
  rules:
    - { name: pictures, agent: writer, when: { attachment: image/* } }
    - { name: german, agent: coded, when: { locale: de, text: "^hallo" } }
prices: { "*": { input: 1, output: 2 }, "openai:gpt-mini": { input: 1, output: 2, cacheRead: 0.1 } }
budget: { tokens: 100000, cost: 1.5 }
content:
  pii: [{ kind: email, action: mask }]
  moderation: { provider: openai }
retention: { conversations: 30d, files: 90d }
`;

const faultsIn = (text: string, world: object = {}): string[] => {
  const read = readConfigText(text, { ...WORLD, ...world, name: 'f.yaml' });
  return 'faults' in read ? read.faults : [];
};

const tableSchema = z.array(z.object({ name: z.string(), file: z.string(), fault: z.string() }));
const TABLE = tableSchema.parse(
  parse(readFileSync(new URL('faults.yaml', import.meta.url), 'utf8')),
);

describe('a fault of the configuration file', () => {
  test('a good file has none', () => {
    expect(faultsIn(GOOD)).toEqual([]);
  });

  test.each(TABLE)('$name', ({ file, fault }) => {
    expect(faultsIn(file)).toEqual([`f.yaml:${fault}`]);
  });

  test('a file without agents needs agents in code', () => {
    expect(faultsIn('', { agents: [] })).toEqual(['f.yaml:1: agents: there must be an agent']);
    expect(faultsIn('')).toEqual([]);
  });

  test('all come at once, those of the form and those of meaning, in the order of the lines', () => {
    const text = GOOD.replace('maxSteps: 10', 'maxStep: 10')
      .replace('[http_fetch]', '[http_fitch]')
      .replace('"second:claude"', '"third:claude"')
      .replace('tokens: 100000', 'tokens: lots');

    expect(faultsIn(text)).toEqual([
      "f.yaml:25: agents[0].maxStep: there is no 'maxStep' here; did you mean 'maxSteps'?",
      "f.yaml:30: agents[1].tools[0]: there is no tool 'http_fitch'; did you mean 'http_fetch'?",
      "f.yaml:31: agents[2].model: there is no provider 'third'; providers: local, second, openai, anthropic",
      'f.yaml:39: budget.tokens: must be a number, not text',
    ]);
  });

  test('a huge file, a deep one and a bomb of aliases are refused, and soon', () => {
    const bomb = `a: &a [x, x]\nb: &b [${'*a, '.repeat(60)}]\nc: [${'*b, '.repeat(60)}]`;

    expect(faultsIn(`#${'x'.repeat(1_000_000)}`)).toEqual(['f.yaml:1: is larger than 1 MB']);
    expect(faultsIn(`agents: ${'['.repeat(50_000)}`)[0]).toMatch(/nested too deeply/);
    expect(faultsIn(bomb)[0]).toMatch(/Excessive alias count/);
  });

  test('a file of nothing but faults is refused, and soon', () => {
    const names = Array.from({ length: 5_000 }, (_, index) => `tool${index}`).join(', ');
    const began = performance.now();

    const faults =
      faultsIn(`agents: [{ id: a, model: demo, subagents: [${'b, '.repeat(100)}], tools: [] }]
routing: { rules: [${'{ name: r, agent: q, when: { role: x } }, '.repeat(500)}] }`);

    expect(faults.length).toBe(201);
    expect(faults.at(-1)).toMatch(/^f\.yaml: \d+ more$/);
    expect(faultsIn(agent(`tools: [${names}]`))).toHaveLength(1);
    expect(performance.now() - began).toBeLessThan(15_000);
  });

  test('a secret is never in a fault', () => {
    const text = GOOD.replaceAll(/"[^"]*\$\{\w+\}"/g, 'sk-very-secret').replace(
      'http://127.0.0.1:11434/v1',
      'sk-very-secret',
    );

    expect(faultsIn(text).length).toBeGreaterThan(1);
    expect(faultsIn(text).join()).not.toContain('very-secret');
  });

  test('whatever a file is made into, it is read or refused with lines, and soon', () => {
    const lines = GOOD.split('\n');
    const words = [
      ...new Set(GOOD.match(/[\w.:*/-]+/g) ?? []),
      '{',
      '}',
      '[',
      '&a',
      '*a',
      '__proto__',
      '\t',
      'null',
      '1e99',
    ];
    const at = fc.nat(lines.length - 1);
    const change = fc.oneof(
      fc.record({ kind: fc.constant('drop'), at, word: fc.constant('') }),
      fc.record({ kind: fc.constant('word'), at, word: fc.constantFrom(...words) }),
      fc.record({ kind: fc.constant('add'), at, word: fc.constantFrom(...words) }),
      fc.record({ kind: fc.constant('noise'), at, word: fc.string() }),
    );
    const numRuns = Number(process.env['CONFIG_MUTATIONS'] ?? 150);

    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const made = [...lines];
        for (const { kind, at, word } of changes) {
          const line = made[at] ?? '';
          if (kind === 'drop') made.splice(at, 1);
          else if (kind === 'word') made[at] = line.replace(/[\w.:*/-]+(?=[^\w]*$)/, () => word);
          else if (kind === 'add') made[at] = `${line} ${word}`;
          else made[at] = word;
        }
        for (const fault of faultsIn(made.join('\n'))) expect(fault).toMatch(/^f\.yaml:\d+: ./);
      }),
      { numRuns },
    );
  });
});
