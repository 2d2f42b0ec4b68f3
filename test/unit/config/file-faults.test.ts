import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
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
    toolApproval: { ask: [send_mail, "mcp:tickets:close_*"], allow: [calculator] }
    approvers: ["role:lead"]
    subagents: [research, { agent: writer, name: write, description: Writes. }]
    maxSteps: 10
    maxToolCalls: 5
    title: { model: demo }
    context: { strategy: summarise, model: "openai:gpt-mini" }
    files: [image/*, text/plain]
  - { id: research, description: Looks things up., model: "openai:gpt-mini", tools: [http_fetch] }
  - { id: writer, description: Writes texts., model: "second:claude" }
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

/** One agent and what is said in its place. */
const agent = (more: string): string => `agents:\n  - { id: a, model: demo, ${more} }\n`;
const beside = (more: string): string => `agents: [{ id: a, model: demo }]\n${more}`;

/** The file, and its one fault, without the file's name. */
const TABLE: [string, string, string][] = [
  [
    'no YAML',
    'agents: [',
    '1: Flow sequence in block collection must be sufficiently indented and end with a ]',
  ],
  ['a key twice', 'agents: []\nagents: []', '2: this key stands twice in one place'],
  ['two documents', 'a: 1\n---\nb: 1', '2: the file must be one document: take out the ---'],
  ['a tab', 'agents:\n\t- a', '2: indent with spaces, not with tabs'],
  ['a tag', 'agents: !!set {}\n', '1: agents: must be a list, not a map'],
  ['a tag of somebody else', 'agents: !js/eval x', '1: Unresolved tag: !js/eval'],
  [
    'an alias of nothing',
    'agents: *all',
    '1: Unresolved alias (the anchor must be set before the alias): all',
  ],
  ['a list', '- a', '1: must be a map, not a list'],
  [
    'a key that is none',
    beside('agent: 1'),
    "2: agent: there is no 'agent' here; did you mean 'agents'?",
  ],
  [
    'a key of an agent that is none',
    agent('instrctions: x'),
    "2: agents[0].instrctions: there is no 'instrctions' here; did you mean 'instructions'?",
  ],
  [
    'a value of another kind',
    agent('maxSteps: many'),
    '2: agents[0].maxSteps: must be a number, not text',
  ],
  ['too small', agent('maxSteps: 0'), '2: agents[0].maxSteps: must be at least 1'],
  ['too large', agent('maxSteps: 5000'), '2: agents[0].maxSteps: must be at most 1000'],
  [
    'no whole number',
    agent('maxSteps: 1.5'),
    '2: agents[0].maxSteps: must be a whole number, not a number',
  ],
  ['no model', 'agents:\n  - id: a\n', '2: agents[0].model: is missing'],
  [
    'a model without provider',
    'agents: [{ id: a, model: gpt }]',
    '1: agents[0].model: must be demo or provider:model',
  ],
  [
    'an id with spaces',
    'agents: [{ id: a b, model: demo }]',
    '1: agents[0].id: must be letters, digits, - _ and .',
  ],
  [
    'a boolean or a map',
    agent('deferTools: yes'),
    '2: agents[0].deferTools: must be true or false or a map',
  ],
  [
    'no choice',
    agent('context: { strategy: forget }'),
    '2: agents[0].context.strategy: must be none or trim or summarise',
  ],
  ['no media type', agent('files: [png]'), '2: agents[0].files[0]: must be a media type'],
  ['no role', agent('approvers: [lead]'), '2: agents[0].approvers[0]: must be role:<name>'],
  [
    'no duration',
    beside('retention: { files: soon }'),
    '2: retention.files: must be a duration such as 500ms, 10s, 5m, 24h or 7d, from 1h to 3650d',
  ],
  [
    'no URL',
    beside('providers: { p: { type: openai, baseUrl: nowhere } }'),
    '2: providers.p.baseUrl: must be an http:// or https:// URL',
  ],
  [
    'a secret in the file',
    beside('providers: { p: { type: openai, apiKey: sk-secret } }'),
    '2: providers.p.apiKey: must be a reference such as ${MY_KEY}, not the secret itself',
  ],
  [
    'no transport',
    beside('mcpServers: { m: { command: x } }'),
    '2: mcpServers.m.transport: must be stdio or http',
  ],
  [
    'no condition',
    beside('routing: { rules: [{ name: r, agent: a, when: {} }] }'),
    '2: routing.rules[0].when: must name a condition',
  ],
  [
    'no regular expression',
    beside('routing: { rules: [{ name: r, agent: a, when: { text: "(" } }] }'),
    '2: routing.rules[0].when.text: must be a regular expression',
  ],
  [
    'one id twice',
    'agents:\n  - { id: a, model: demo }\n  - { id: a, model: demo }',
    "3: agents[1].id: 'a' is the id of agents[0] already",
  ],
  [
    'the id of an agent in code',
    'agents: [{ id: coded, model: demo }]',
    "1: agents[0].id: 'coded' is the id of an agent that is given in code",
  ],
  [
    'a word that is taken',
    'agents: [{ id: auto, model: demo }]',
    "1: agents[0].id: 'auto' is the word for letting rules or a model choose",
  ],
  [
    'no default agent',
    beside('defaultAgent: b'),
    "2: defaultAgent: there is no agent 'b'; agents: a, coded",
  ],
  [
    'no tool',
    agent('tools: [calculater]'),
    "2: agents[0].tools[0]: there is no tool 'calculater'; did you mean 'calculator'?",
  ],
  [
    'a tool twice',
    agent('tools: [calculator, calculator]'),
    '2: agents[0].tools[1]: is named twice',
  ],
  [
    'half a name of MCP',
    agent('tools: ["mcp:tickets"]'),
    '2: agents[0].tools[0]: must be mcp:<server>:<tool>, such as mcp:tickets:*',
  ],
  [
    'no MCP server',
    agent('tools: ["mcp:tickets:*"]'),
    "2: agents[0].tools[0]: there is no MCP server 'tickets'",
  ],
  [
    'a sub-agent that is not there',
    agent('subagents: [b]'),
    "2: agents[0].subagents[0]: there is no agent 'b'; agents: a",
  ],
  [
    'a sub-agent in code',
    agent('subagents: [coded]'),
    "2: agents[0].subagents[0]: 'coded' is given in code; only agents of this file can be sub-agents",
  ],
  [
    'a sub-agent nobody knows the use of',
    'agents: [{ id: a, model: demo, subagents: [b] }, { id: b, model: demo }]',
    "1: agents[0].subagents[0]: 'b' has no description, by which 'a' could tell when to call it",
  ],
  [
    'a sub-agent whose id is no name of a tool',
    'agents: [{ id: a, model: demo, subagents: [b.c] }, { id: b.c, model: demo, description: x }]',
    "1: agents[0].subagents[0]: 'b.c' is no name for a tool (up to 64 letters, digits, - and _): give it a name",
  ],
  [
    'a sub-agent like a tool',
    'agents: [{ id: a, model: demo, tools: [calculator], subagents: [{ agent: b, name: calculator }] }, { id: b, model: demo, description: x }]',
    "1: agents[0].subagents[0]: would be a second tool called 'calculator': give it a name",
  ],
  [
    'an agent below itself',
    'agents:\n  - { id: a, model: demo, description: x, subagents: [b] }\n  - { id: b, model: demo, description: x, subagents: [a] }',
    "3: agents[1].subagents[0]: an agent can't be below itself: a → b → a",
  ],
  [
    'an agent that is its own',
    agent('description: x, subagents: [a]'),
    "2: agents[0].subagents[0]: an agent can't be below itself: a → a",
  ],
  [
    'no variable',
    agent('instructions: "{{current_dat}}"'),
    "2: agents[0].instructions: there is no variable 'current_dat'; did you mean 'current_date'?",
  ],
  [
    'stray braces',
    agent('instructions: "{{ now"'),
    '2: agents[0].instructions: {{ begins a variable such as {{current_date}}; write {{{{ for the characters',
  ],
  [
    'no parameter',
    agent('parameters: { temprature: 1 }'),
    "2: agents[0].parameters.temprature: there is no parameter 'temprature'; did you mean 'temperature'?",
  ],
  [
    'nothing to find',
    agent('deferTools: true'),
    '2: agents[0].deferTools: the agent has no tools to find',
  ],
  [
    'nothing to show',
    agent('tools: [calculator], deferTools: { except: [http_fetch] }'),
    "2: agents[0].deferTools.except[0]: the agent has no tool 'http_fetch'; its tools: calculator",
  ],
  [
    'nothing to call',
    agent('maxToolCalls: 3'),
    '2: agents[0].maxToolCalls: the agent has no tools to call',
  ],
  [
    'a model for no summaries',
    agent('context: { model: demo }'),
    '2: agents[0].context.model: has no use where the strategy is none',
  ],
  [
    'no provider',
    'agents: [{ id: a, model: "opnai:gpt" }]',
    "1: agents[0].model: there is no provider 'opnai'; did you mean 'openai'?",
  ],
  [
    'no key',
    'agents: [{ id: a, model: "anthropic:x" }]',
    "1: agents[0].model: 'anthropic:x' needs ANTHROPIC_API_KEY in the environment",
  ],
  [
    'no key for titles',
    agent('title: { model: "anthropic:x" }'),
    "2: agents[0].title.model: 'anthropic:x' needs ANTHROPIC_API_KEY in the environment",
  ],
  [
    'a provider without anything',
    beside('providers: { p: { type: openai } }'),
    '2: providers.p: needs an apiKey, or the baseUrl of a server that asks for none',
  ],
  [
    'a provider without a key',
    beside('providers: { p: { type: anthropic } }'),
    '2: providers.p: a provider of type anthropic needs an apiKey',
  ],
  [
    'a provider called demo',
    beside('providers: { demo: { type: openai, baseUrl: "http://x" } }'),
    "2: providers.demo: 'demo' is the scripted model; take another name",
  ],
  [
    'no environment',
    beside('providers: { p: { type: openai, apiKey: "${NOT_SET}" } }'),
    '2: providers.p.apiKey: the environment has no NOT_SET',
  ],
  [
    'no environment for a server',
    beside('mcpServers: { m: { transport: stdio, command: x, env: { A: "x${NOT_SET}" } } }'),
    '2: mcpServers.m.env.A: the environment has no NOT_SET',
  ],
  [
    'half a reference',
    beside('mcpServers: { m: { transport: stdio, command: x, env: { A: "${" } } }'),
    '2: mcpServers.m.env.A: ${ begins a reference such as ${MY_KEY}',
  ],
  [
    'a header that is none',
    beside('mcpServers: { m: { transport: http, url: "http://x", headers: { "a b": c } } }'),
    '2: mcpServers.m.headers["a b"]: is no name of a header',
  ],
  [
    'a header of two lines',
    beside('mcpServers: { m: { transport: http, url: "http://x", headers: { a: "b\\nc" } } }'),
    '2: mcpServers.m.headers.a: a header has no line breaks',
  ],
  [
    'a variable that headers have not',
    beside(
      'mcpServers: { m: { transport: http, url: "http://x", headers: { a: "{{user.name}}" } } }',
    ),
    "2: mcpServers.m.headers.a: there is no variable 'user.name'; variables: user.id, user.tenant",
  ],
  [
    'a policy for no tool',
    agent('tools: [send_mail], toolApproval: { ask: [send_mial] }'),
    "2: agents[0].toolApproval.ask[0]: no tool 'send_mial' is used; did you mean 'send_mail'?",
  ],
  [
    'a policy for no server',
    agent('tools: [send_mail], toolApproval: { deny: ["mcp:x:*"] }'),
    "2: agents[0].toolApproval.deny[0]: no tool of the MCP server 'x' is used",
  ],
  [
    'asked and denied',
    agent('tools: [send_mail], toolApproval: { ask: [send_mail], deny: [send_mail] }'),
    "2: agents[0].toolApproval.ask[0]: 'send_mail' stands in deny too, which comes first",
  ],
  [
    'asked with bypass',
    agent('tools: [send_mail], toolApproval: { ask: [send_mail], mode: bypass }'),
    '2: agents[0].toolApproval.ask: has no effect with mode: bypass',
  ],
  [
    'a time for what never ends',
    agent('tools: [send_mail], toolApproval: { onExpiry: never, ttlMs: 5 }'),
    '2: agents[0].toolApproval.ttlMs: has no effect with onExpiry: never',
  ],
  [
    'approvers of nothing',
    agent('tools: [calculator], approvers: ["role:x"]'),
    '2: agents[0].approvers: there is nothing to decide: no tool of this agent ever waits for a person',
  ],
  [
    'four eyes and no second pair',
    agent('tools: [send_mail], toolApproval: { fourEyes: true }'),
    '2: agents[0].toolApproval.fourEyes: nobody could decide: fourEyes keeps the user from it, and there are no approvers',
  ],
  [
    'a rule for nobody',
    beside('routing: { rules: [{ name: r, agent: b, when: { role: x } }] }'),
    "2: routing.rules[0].agent: there is no agent 'b'; agents: a, coded",
  ],
  [
    'two rules of one name',
    beside(
      'routing:\n  rules:\n    - { name: r, agent: a, when: { role: x } }\n    - { name: r, agent: a, when: { role: y } }',
    ),
    "5: routing.rules[1].name: there is a rule 'r' already",
  ],
  [
    'a rule never reached',
    beside(
      'routing:\n  rules:\n    - { name: r, agent: a, when: { role: x, metadata: { p: 1 } } }\n    - { name: s, agent: a, when: { role: x, locale: de, metadata: { p: 1, q: 2 } } }',
    ),
    "5: routing.rules[1].when: is never reached: wherever it holds, 'r' above it holds too",
  ],
  [
    'a choice of one',
    beside('routing: { model: demo }'),
    '2: routing.model: there is nothing to choose from: one agent',
  ],
  [
    'a choice without words',
    'agents: [{ id: a, model: demo, description: x }, { id: b, model: demo }]\nrouting: { model: demo }',
    "2: routing.model: 'b' has no description to choose it by",
  ],
  [
    'a budget without a price',
    'agents: [{ id: a, model: "openai:gpt" }]\nbudget: { cost: 1 }',
    "2: budget.cost: can't be held: 'openai:gpt' has no price; name it in prices, or give '*' one",
  ],
  [
    'a price for no provider',
    beside('prices: { "opnai:gpt": { input: 1, output: 1 } }'),
    "2: prices[\"opnai:gpt\"]: there is no provider 'opnai'; did you mean 'openai'?",
  ],
  [
    'a negative price',
    beside('prices: { "*": { input: -1, output: 1 } }'),
    '2: prices["*"].input: must be at least 0',
  ],
  [
    'a moderator of another kind',
    beside(
      'providers: { p: { type: anthropic, apiKey: "${KEY}" } }\ncontent: { moderation: { provider: p } }',
    ),
    "3: content.moderation.provider: 'p' is of type anthropic; moderation is asked of one of type openai",
  ],
  [
    'files that go first',
    beside('retention: { conversations: 30d, files: 7d }'),
    '2: retention.files: is shorter than retention.conversations: messages would name files that are gone',
  ],
];

describe('a fault of the configuration file', () => {
  test('a good file has none', () => {
    expect(faultsIn(GOOD)).toEqual([]);
  });

  test.each(TABLE)('%s', (_name, text, fault) => {
    expect(faultsIn(text)).toEqual([`f.yaml:${fault}`]);
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
      "f.yaml:24: agents[0].maxStep: there is no 'maxStep' here; did you mean 'maxSteps'?",
      "f.yaml:29: agents[1].tools[0]: there is no tool 'http_fitch'; did you mean 'http_fetch'?",
      "f.yaml:30: agents[2].model: there is no provider 'third'; providers: local, second, openai, anthropic",
      'f.yaml:38: budget.tokens: must be a number, not text',
    ]);
  });

  test('a huge file, a deep one and a bomb of aliases are refused, and soon', () => {
    const bomb = `a: &a [x, x]\nb: &b [${'*a, '.repeat(60)}]\nc: [${'*b, '.repeat(60)}]`;

    expect(faultsIn(`#${'x'.repeat(1_000_000)}`)).toEqual(['f.yaml:1: is larger than 1 MB']);
    expect(faultsIn(`agents: ${'['.repeat(50_000)}`)[0]).toMatch(/nested too deeply/);
    expect(faultsIn(bomb)[0]).toMatch(/Excessive alias count/);
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
