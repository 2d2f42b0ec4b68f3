import { RedisConfigError } from './errors.ts';

export interface RedisNode {
  host: string;
  port: number;
}

/** Where Redis is, and how to log on. */
export interface RedisAddress {
  /** One: a single server (or what fronts it); several: seeds of a cluster. */
  nodes: [RedisNode, ...RedisNode[]];
  tls: boolean;
  username: string | undefined;
  password: string | undefined;
  db: number;
}

/** Parses one `redis://` or `rediss://` URL, or several with commas between them. Throws RedisConfigError. */
export function parseRedisUrl(text: string): RedisAddress {
  const [first, ...others] = text.split(',').map((part) => parseOne(part.trim()));
  if (!first) throw refusal('it is empty');
  if (others.some(({ protocol }) => protocol !== first.protocol)) {
    throw refusal('all nodes of a cluster must be reached in the same way, redis:// or rediss://');
  }
  const db = Number(first.pathname.slice(1) || 0);
  if (!Number.isInteger(db)) throw refusal('its path must be the number of a database');
  if (others.length > 0 && db !== 0) throw refusal('a cluster has no database but 0');
  return {
    nodes: [nodeOf(first), ...others.map(nodeOf)],
    tls: first.protocol === 'rediss:',
    username: decoded(first.username),
    password: decoded(first.password),
    db,
  };
}

/** Never quotes the text: it may hold a password. */
const refusal = (why: string): RedisConfigError =>
  new RedisConfigError(`REDIS_URL can't be used: ${why}.`);

function parseOne(text: string): URL {
  if (!URL.canParse(text)) throw refusal('it is not a URL like redis://host:6379');
  const url = new URL(text);
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw refusal('it must begin with redis:// or rediss://');
  }
  if (url.hostname === '') throw refusal('it names no host');
  return url;
}

const nodeOf = ({ hostname, port }: URL): RedisNode => ({
  // An IPv6 address stands in brackets in a URL only.
  host: hostname.replace(/^\[|\]$/g, ''),
  port: port === '' ? 6379 : Number(port),
});

const decoded = (part: string): string | undefined =>
  part === '' ? undefined : decodeURIComponent(part);
