import ipaddr from 'ipaddr.js';

/** Addresses by which a server's own network could be reached. Only what is for everybody is for a model. */

/** 64:ff9b::/96 of RFC 6052: an IPv4 address in its last 32 bits, which the network's gateway connects to. */
const NAT64: readonly [number, number] = [0x64, 0xff9b];
/** All that is routed in public, 2000::/3. */
const GLOBAL = ipaddr.IPv6.parse('2000::');
const GLOBAL_BITS = 3;

function inner(address: ipaddr.IPv6): ipaddr.IPv4 | undefined {
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  const { parts } = address;
  const isNat64 = parts[0] === NAT64[0] && parts[1] === NAT64[1];
  if (!isNat64 || parts.slice(2, 6).some((part) => part !== 0)) return undefined;
  return new ipaddr.IPv4(address.toByteArray().slice(12));
}

/** Public by its number, but answered by the host of a cloud's virtual machine. */
const OF_THE_CLOUD = new Set(['168.63.129.16']);

function isPublicV4(address: ipaddr.IPv4): boolean {
  return address.range() === 'unicast' && !OF_THE_CLOUD.has(address.toString());
}

/** Is it a public unicast address? Forms that carry an IPv4 address are as public as that one; tunnels are not. */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.parse(text);
  if (!('isIPv4MappedAddress' in address)) return isPublicV4(address);
  // A zone, as in fe80::1%eth0, is of this machine's own.
  if (address.zoneId !== undefined && address.zoneId !== '') return false;
  const carried = inner(address);
  if (carried) return isPublicV4(carried);
  return address.match(GLOBAL, GLOBAL_BITS) && address.range() === 'unicast';
}
