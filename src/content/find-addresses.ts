import { isIPv6 } from 'node:net';
import { isDigit, isWordAt, type Finding } from './finding.ts';

/** Addresses of mail and of machines. Each is one pass over the text with a bounded look to both sides. */

/** RFC 5321 section 4.5.3.1. */
const MAX_LOCAL = 64;
const MAX_DOMAIN = 253;

const LOCAL = /[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]/u;
const DOMAIN = /[\p{L}\p{N}.-]/u;
const LABELS = /^(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+\p{L}[\p{L}\p{N}-]{1,62}$/u;

function localStart(text: string, at: number): number {
  let start = at;
  while (start > 0 && at - start < MAX_LOCAL && LOCAL.test(text.charAt(start - 1))) start -= 1;
  // A full stop before it ends a sentence; other signs may be quotes around it.
  while (start < at && /[.!#$%&'*/=?^`{|}~]/.test(text.charAt(start))) start += 1;
  return start;
}

function domainEnd(text: string, at: number): number {
  let end = at + 1;
  while (end < text.length && end - at <= MAX_DOMAIN && DOMAIN.test(text.charAt(end))) end += 1;
  while (end > at + 1 && /[.-]/.test(text.charAt(end - 1))) end -= 1;
  return end;
}

export function findEmails(text: string): Finding[] {
  const found: Finding[] = [];
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    const start = Math.max(localStart(text, at), found.at(-1)?.end ?? 0);
    if (start >= at) continue;
    const end = domainEnd(text, at);
    if (end > at + 2 && LABELS.test(text.slice(at + 1, end)))
      found.push({ kind: 'email', start, end });
  }
  return found;
}

const OCTET = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const IPV4 = new RegExp(`${OCTET}(?:\\.${OCTET}){3}`, 'g');
/** A longer row of numbers and dots is a version, or something else. */
const goesOn = (text: string, dot: number, digit: number): boolean =>
  text.charAt(dot) === '.' && isDigit(text[digit]);

function findIpv4(text: string): Finding[] {
  return Array.from(text.matchAll(IPV4), ({ index: start, 0: { length } }): Finding => {
    return { kind: 'ip', start, end: start + length };
  }).filter(({ start, end }) => {
    const within = isWordAt(text, start - 1) || isWordAt(text, end);
    return !within && !goesOn(text, start - 1, start - 2) && !goesOn(text, end, end + 1);
  });
}

/** Digits, colons, and perhaps an IPv4 address at the end; no zone. */
const IPV6 = /[0-9a-fA-F:][0-9a-fA-F:.]{1,44}/g;

function findIpv6(text: string): Finding[] {
  const found: Finding[] = [];
  for (const { index: start, 0: match } of text.matchAll(IPV6)) {
    const address = match.replace(/[.:]$/, (end) => (match.endsWith('::') ? end : ''));
    const end = start + address.length;
    // `a::b` is a name in a program as well: without a number in it, it is taken for one.
    const isAddress = address.includes(':') && /[0-9]/.test(address) && isIPv6(address);
    if (!isAddress || isWordAt(text, start - 1) || isWordAt(text, end)) continue;
    found.push({ kind: 'ip', start, end });
  }
  return found;
}

export function findIps(text: string): Finding[] {
  return [...findIpv6(text), ...findIpv4(text)];
}
