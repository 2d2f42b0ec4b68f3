import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { McpServerEntry } from '../config/file/schema.ts';
import type { Owner } from '../stream/owner.ts';
import { HttpTransport } from './http-transport.ts';
import { filled, namesUser } from './placeholders.ts';
import { StdioTransport } from './stdio-transport.ts';

/** Does each user need a connection of their own? */
export function isPersonal(entry: McpServerEntry): boolean {
  return entry.transport === 'http' && namesUser(entry.headers);
}

/** Not started yet. Throws where the environment lacks a name. */
export function openTransport(
  entry: McpServerEntry,
  from: { owner: Owner; env: (name: string) => string | undefined },
): Transport {
  if (entry.transport === 'http') {
    return new HttpTransport(new URL(entry.url), filled(entry.headers, from));
  }
  const { command, args, cwd } = entry;
  const env = filled(entry.env, { env: from.env });
  return new StdioTransport({ command, args, env, ...(cwd === undefined ? {} : { cwd }) });
}
