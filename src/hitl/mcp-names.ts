import { createHash } from 'node:crypto';

/**
 * What tools of MCP servers are called. People write `mcp:server:tool`; the model, the log and the audit trail have
 * `mcp__server__tool`, because providers take letters, digits, `-` and `_` only, and no more than 64 of them.
 */

const LONGEST = 64;
const HASH_LENGTH = 8;
const ODD = /[^a-zA-Z0-9_-]/gu;
/** What would read like a character that was written as its number. */
const LIKE_A_NUMBER = /_(?=x[0-9a-f]+_)/g;

const numbered = (char: string): string => `_x${(char.codePointAt(0) ?? 0).toString(16)}_`;

/** Two different names never become one: `/` becomes `_x2f_`, and a `_x2f_` that was there is written otherwise. */
function fit(name: string): string {
  return name.replaceAll(LIKE_A_NUMBER, '_x5f_').replaceAll(ODD, numbered);
}

/** The name that the model sees. It depends on nothing but these two, so it is the same in every run. */
export function mcpToolName(server: string, tool: string): string {
  const name = `mcp__${server}__${fit(tool)}`;
  if (name.length <= LONGEST) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_LENGTH);
  return `${name.slice(0, LONGEST - HASH_LENGTH - 1)}_${hash}`;
}

/** The server of a tool by the name that the model sees: names of servers have no `__`. */
export function mcpServerOf(modelName: string): string | undefined {
  return /^mcp__(.+?)__/su.exec(modelName)?.[1];
}

/** `mcp:server:tool` as a pattern over the names that the model sees; anything else is itself. */
export function modelPattern(pattern: string): string {
  const [, server, tool] = /^mcp:([^:]*):(.*)$/su.exec(pattern) ?? [];
  if (server === undefined || tool === undefined) return pattern;
  if (!tool.includes('*')) return mcpToolName(server, tool);
  return `mcp__${server}__${tool.split('*').map(fit).join('*')}`;
}
