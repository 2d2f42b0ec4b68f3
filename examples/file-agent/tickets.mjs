/** An MCP server with two tools, made with the official SDK: node examples/file-agent/tickets.mjs */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';

const tickets = new Map([
  ['T-1', { title: 'The bell is missing', state: 'open' }],
  ['T-2', { title: 'A flat tyre', state: 'open' }],
]);

const said = (text) => ({ content: [{ type: 'text', text }] });
const server = new McpServer({ name: 'tickets', version: '1.0.0' });

server.registerTool(
  'list_tickets',
  {
    description: 'Lists the tickets of the shop.',
    inputSchema: {},
    annotations: { readOnlyHint: true },
  },
  () => said(JSON.stringify(Object.fromEntries(tickets))),
);

server.registerTool(
  'close_ticket',
  { description: 'Closes a ticket.', inputSchema: { id: z.string() } },
  ({ id }) => {
    const ticket = tickets.get(id);
    if (!ticket) return { isError: true, ...said(`There is no ticket ${id}.`) };
    ticket.state = 'closed';
    return said(`${id} is closed.`);
  },
);

await server.connect(new StdioServerTransport());
