import { Cluster, type Redis } from 'ioredis';
import type { LogPage } from '../../stream/event-transport.ts';
import type { RedisConnection } from './connection.ts';
import { generationOf, LOG_STATES } from './keys.ts';

/** Always the same one for the same cluster: a round goes on where it was. */
const addressOf = ({ options }: Redis): string => `${options.host}:${options.port}`;

/**
 * A piece of a round by SCAN, which looks at about `limit` keys, whatever they are; primary by primary. An index of all
 * logs would be one key that each of them changes, in a slot that is not theirs.
 */
export async function listLogs(
  redis: RedisConnection,
  cursor: string | undefined,
  limit: number,
): Promise<LogPage> {
  const [nth = '0', place = '0'] = (cursor ?? '0 0').split(' ');
  return redis.run(async (client) => {
    const nodes = client instanceof Cluster ? client.nodes('master') : [client];
    const primaries = nodes.toSorted((a, b) => (addressOf(a) < addressOf(b) ? -1 : 1));
    const at = Number(nth);
    const node = primaries[at];
    if (!node) return { generationIds: [], cursor: undefined };
    const [next, keys] = await node.scan(place, 'MATCH', LOG_STATES, 'COUNT', limit);
    const following = at + 1 < primaries.length ? `${at + 1} 0` : undefined;
    return {
      generationIds: keys.flatMap((key) => generationOf(key) ?? []),
      cursor: next === '0' ? following : `${at} ${next}`,
    };
  });
}
