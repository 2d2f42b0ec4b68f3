/**
 * A real MCP server, made with the official SDK, whose tools are good, slow, failing, huge or lying.
 *   node test/support/mcp-server.mjs stdio | http <port>
 * Every effect is a line of the file MCP_LEDGER. MCP_MODE=flood|loop|odd|empty changes what it lists.
 */
import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const [kind, port] = process.argv.slice(2);
const { MCP_LEDGER: ledger, MCP_MODE: mode } = process.env;
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const object = (properties = {}, required = []) => ({ type: 'object', properties, required });
const text = { type: 'string' };
const record = (entry) => ledger && appendFileSync(ledger, `${JSON.stringify(entry)}\n`);
const said = (value) => ({ content: [{ type: 'text', text: String(value) }] });

let extra = 0;
const TOOLS = {
  read_note: {
    annotations: { readOnlyHint: true },
    inputSchema: object({ id: text }, ['id']),
    run: ({ id }) => said(`note ${id}`),
  },
  put_note: {
    annotations: { idempotentHint: true },
    inputSchema: object({ id: text }, ['id']),
    run: ({ id }) => said(`put ${id}`),
    effect: true,
  },
  send_mail: {
    description: 'Sends a letter.',
    annotations: { destructiveHint: false },
    inputSchema: {
      ...object({ to: { ...text, minLength: 1 } }, ['to']),
      additionalProperties: false,
    },
    run: ({ to }) => said(`sent to ${to}`),
    effect: true,
  },
  wipe: {
    annotations: { idempotentHint: true, destructiveHint: true },
    inputSchema: object(),
    run: () => said('wiped'),
    effect: true,
  },
  /** Its effect is done, and then no answer comes. */
  hang: { inputSchema: object(), run: () => new Promise(() => {}), effect: true },
  hang_read: {
    annotations: { readOnlyHint: true },
    inputSchema: object(),
    run: () => new Promise(() => {}),
    effect: true,
  },
  fail: {
    annotations: { readOnlyHint: true },
    inputSchema: object(),
    run: () => ({ isError: true, content: [{ type: 'text', text: 'no such note in /var/notes' }] }),
  },
  huge: {
    annotations: { readOnlyHint: true },
    inputSchema: object({ bytes: { type: 'integer' } }, ['bytes']),
    run: ({ bytes }) => said('x'.repeat(bytes)),
  },
  picture: {
    annotations: { readOnlyHint: true },
    inputSchema: object(),
    run: () => ({
      content: [
        { type: 'text', text: 'here it is' },
        { type: 'image', data: PIXEL, mimeType: 'image/png' },
        { type: 'resource_link', uri: 'notes://1', name: 'note 1' },
      ],
    }),
  },
  numbers: {
    annotations: { readOnlyHint: true },
    inputSchema: object(),
    run: () => ({ content: [], structuredContent: { sum: 3 } }),
  },
  whoami: {
    annotations: { readOnlyHint: true },
    inputSchema: object(),
    run: (_args, { requestInfo }) =>
      said(
        `${requestInfo?.headers['x-user'] ?? 'nobody'} ${process.env.MCP_SECRET ?? 'no secret'} ${process.pid}`,
      ),
  },
  grow: {
    annotations: { readOnlyHint: true },
    inputSchema: object(),
    run: async (_args, { sendNotification }) => {
      extra += 1;
      await sendNotification({ method: 'notifications/tools/list_changed' });
      return said('grown');
    },
  },
};

const schemaLies = {
  evil_loop: { type: 'object', $ref: '#' },
  evil_remote: { type: 'object', $ref: 'http://127.0.0.1:1/schema.json' },
  evil_regex: object({ a: { type: 'string', pattern: '^(a+)+$' } }),
  evil_laughs: {
    ...object({ a: { $ref: '#/$defs/d0' } }),
    $defs: Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [
        `d${i}`,
        { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] },
      ]).concat([['d40', {}]]),
    ),
  },
  evil_type: { type: 'nonsense' },
  evil_kind: 'a text',
};

const ODD = ['files/read', 'files_x2f_read', 'dup', 'dup', 'ümlaut', '', 'a b', 'n'.repeat(150)];

function named(name, { description = `Does ${name}.`, inputSchema, annotations }) {
  return { name, description, inputSchema, annotations };
}

function listed(cursor) {
  if (mode === 'flood') {
    const at = Number(cursor ?? 0);
    const many = Array.from({ length: 5_000 }, (_, i) =>
      named(`t${at + i}`, { inputSchema: object() }),
    );
    return { tools: many, nextCursor: String(at + 5_000) };
  }
  if (mode === 'loop') {
    const once = named('once', { inputSchema: object() });
    return { tools: cursor ? [] : [once], nextCursor: 'again' };
  }
  if (mode === 'odd') {
    const tools = ODD.map((name) =>
      named(name, { inputSchema: object(), annotations: { readOnlyHint: 'yes' } }),
    );
    const lies = Object.entries(schemaLies).map(([name, inputSchema]) => ({ name, inputSchema }));
    return { tools: [...tools, ...lies, null, { no: 'name' }] };
  }
  const grown = Array.from({ length: extra }, (_, i) => named(`grown_${i + 1}`, TOOLS.numbers));
  return { tools: [...Object.entries(TOOLS).map(([name, tool]) => named(name, tool)), ...grown] };
}

function makeServer() {
  const capabilities = mode === 'empty' ? {} : { tools: { listChanged: true } };
  const server = new Server({ name: 'notes', version: '1' }, { capabilities });
  if (mode === 'empty') return server;
  server.setRequestHandler(ListToolsRequestSchema, ({ params }) => listed(params?.cursor));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, from) => {
    const tool = TOOLS[params.name];
    if (!tool)
      return mode === 'odd'
        ? said(`called ${params.name}`)
        : { isError: true, ...said('no such tool') };
    if (tool.effect) {
      // oxlint-disable-next-line no-underscore-dangle -- MCP's own name
      record({ name: params.name, args: params.arguments, key: params._meta?.['holdfast/key'] });
    }
    return tool.run(params.arguments ?? {}, from);
  });
  return server;
}

if (kind === 'stdio') {
  process.stderr.write('the notes server says hello\n');
  await makeServer().connect(new StdioServerTransport());
} else {
  const sessions = new Map();
  const answer = async (req, res) => {
    const known = sessions.get(req.headers['mcp-session-id']);
    if (known) return known.handleRequest(req, res);
    if (req.headers['mcp-session-id']) return res.writeHead(404).end();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => {
        sessions.set(id, transport);
        record({ session: 'begun' });
      },
    });
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK has no events
    transport.onclose = () => {
      sessions.delete(transport.sessionId);
      record({ session: 'ended' });
    };
    await makeServer().connect(transport);
    return transport.handleRequest(req, res);
  };
  const http = createServer((req, res) => {
    answer(req, res).catch(() => res.destroy());
  });
  http.listen(Number(port), '127.0.0.1', () => process.stdout.write(`${http.address().port}\n`));
}
