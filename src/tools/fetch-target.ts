import { isIP } from 'node:net';
import { matchesPlainGlob } from '../hitl/glob.ts';
import { isPublicAddress } from './addresses.ts';

/** Where a model may have us go. A refusal's message is for the model. */
export class Refused extends Error {
  override name = 'Refused';
}

export interface Address {
  address: string;
  family: number;
}

/** All addresses of a name. */
export type Resolve = (hostname: string) => Promise<readonly Address[]>;

const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

export interface Target {
  url: URL;
  /** What is connected to, and nothing else: whatever the name means a moment later, nobody asks again. */
  addresses: readonly Address[];
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

/** `host`, `*.host`, and either with a port. */
function allows(entry: string, { hostname, port }: { hostname: string; port: string }): boolean {
  const [, host = '', wanted] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
  return matchesPlainGlob(host, hostname) && (wanted === undefined || wanted === port);
}

function parsed(text: string, base: URL | undefined): { url: URL; usual: string } {
  if (URL.canParse(text, base?.href)) {
    const url = new URL(text, base);
    const usual = PORTS[url.protocol];
    if (usual !== undefined) return { url, usual };
  }
  throw new Refused('Only http:// and https:// URLs can be fetched.');
}

/** Checks what a URL says. Throws Refused. */
export function checkUrl(text: string, allow: readonly string[] | undefined, base?: URL): URL {
  const { url, usual } = parsed(text, base);
  if (url.username !== '' || url.password !== '')
    throw new Refused('A URL with a user or password in it is not fetched.');
  const place = { hostname: bare(url.hostname), port: url.port || usual };
  const entry = allow?.find((it) => allows(it, place));
  if (allow && entry === undefined) throw new Refused(`${place.hostname} is not on the list.`);
  if (place.port !== usual && !/:\d+$/.test(entry ?? ''))
    throw new Refused(`Port ${place.port} is not fetched from.`);
  return url;
}

/** The addresses of a URL's host. One that is not public refuses them all. Throws Refused. */
export async function targetOf(
  url: URL,
  { resolve, isPublic = isPublicAddress }: { resolve: Resolve; isPublic?: (ip: string) => boolean },
): Promise<Target> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const family = isIP(host);
  const addresses = family === 0 ? await found(host, resolve) : [{ address: host, family }];
  if (addresses.length === 0 || !addresses.every(({ address }) => isPublic(address)))
    throw new Refused(`${host} is not a public host.`);
  return { url, addresses };
}

async function found(host: string, resolve: Resolve): Promise<readonly Address[]> {
  try {
    return await resolve(host);
  } catch {
    // Why a name has no address is nothing that a model could act on.
    throw new Refused(`${host} has no address.`);
  }
}
