import type { Redis } from 'ioredis';
import type { Log } from '../../lib/log.ts';
import { RedisConfigError } from './errors.ts';

/** The major version from which on Redis has what the scripts need. */
const OLDEST = 7;

/** Looks at each server by INFO: CONFIG is often forbidden. Throws RedisConfigError. */
export async function assertSuitable(nodes: readonly Redis[], log: Log): Promise<void> {
  const found = await Promise.all(nodes.map(inspect));
  for (const facts of found) {
    const fault = faultOf(facts);
    if (fault !== undefined) throw new RedisConfigError(fault);
  }
  const unsafe = found.filter(({ aof }) => !aof).map(({ address }) => address);
  if (unsafe.length > 0) {
    log.warn({ nodes: unsafe }, 'Redis runs without AOF: a restart of it loses what it holds');
  }
}

export interface ServerFacts {
  address: string;
  version: string;
  policy: string;
  aof: boolean;
}

/** Why the server can't be used: a sentence for the operator; undefined: it will do. */
export function faultOf({ address, version, policy }: ServerFacts): string | undefined {
  if (Number(version.split('.')[0]) < OLDEST) {
    return `Redis ${OLDEST}.0 or newer is needed, ${address} is ${version}.`;
  }
  if (policy !== 'noeviction') {
    return `Redis at ${address} has maxmemory-policy ${policy}, which throws away answers that are being written: set it to noeviction.`;
  }
  return undefined;
}

async function inspect(node: Redis): Promise<ServerFacts> {
  const sections = ['server', 'memory', 'persistence'].map((section) => node.info(section));
  const fields = infoFields((await Promise.all(sections)).join('\r\n'));
  return {
    address: `${node.options.host}:${node.options.port}`,
    version: fields.get('redis_version') ?? '0',
    policy: fields.get('maxmemory_policy') ?? 'unknown',
    aof: fields.get('aof_enabled') === '1',
  };
}

/** The lines `name:value` of INFO. */
export function infoFields(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    const at = line.indexOf(':');
    if (at > 0 && !line.startsWith('#')) fields.set(line.slice(0, at), line.slice(at + 1));
  }
  return fields;
}
