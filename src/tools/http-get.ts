import { lookup } from 'node:dns/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { checkUrl, Refused, targetOf, type Address, type Resolve } from './fetch-target.ts';

/** One request of a model's, with its redirects. */

const MOST_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MOST_HEADER_BYTES = 16 * 1024;

export interface Fetched {
  url: URL;
  status: number;
  /** Without its parameters, in lower case; empty where the server does not say. */
  mediaType: string;
  charset: string;
  body: Buffer;
  /** The body is longer. */
  cut: boolean;
}

export interface FetchOptions {
  method: 'GET' | 'HEAD';
  allow: readonly string[] | undefined;
  /** Of the body as it is read, after decompression. */
  maxBytes: number;
  signal: AbortSignal;
  resolve: Resolve;
  isPublic?: (ip: string) => boolean;
}

export const resolveName: Resolve = (hostname) => lookup(hostname, { all: true });

/** Answers with what was checked, whatever is asked. */
function pinned(addresses: readonly Address[]): LookupFunction {
  return (_hostname, { all }, done) => {
    const [first] = addresses;
    if (all === true) done(null, [...addresses]);
    else if (first) done(null, first.address, first.family);
  };
}

function ask(
  url: URL,
  addresses: readonly Address[],
  { method, signal }: FetchOptions,
): Promise<IncomingMessage> {
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send(url, {
      method,
      signal,
      lookup: pinned(addresses),
      // No connection of another request: each goes to addresses that were checked for it.
      agent: false,
      maxHeaderSize: MOST_HEADER_BYTES,
      headers: {
        'user-agent': 'holdfast',
        accept: 'text/*, application/json, application/xml;q=0.9, */*;q=0.1',
        'accept-encoding': 'gzip, deflate, br',
      },
    });
    request.once('response', resolve);
    request.once('error', reject);
    request.end();
  });
}

function unpacked(message: IncomingMessage): Readable {
  const encoding = (message.headers['content-encoding'] ?? '').trim().toLowerCase();
  const made = {
    gzip: createGunzip,
    'x-gzip': createGunzip,
    deflate: createInflate,
    br: createBrotliDecompress,
  };
  if (encoding === '' || encoding === 'identity') return message;
  const name = Object.keys(made).find((it) => it === encoding);
  if (name === undefined) throw new Refused('The answer is packed in a way that is not known.');
  const unpack = made[name as keyof typeof made](); // oxlint-disable-line typescript/no-unsafe-type-assertion -- one of its keys
  message.once('error', (error) => unpack.destroy(error));
  return message.pipe(unpack);
}

async function bodyOf(
  message: IncomingMessage,
  maxBytes: number,
): Promise<Pick<Fetched, 'body' | 'cut'>> {
  const chunks: Buffer[] = [];
  let size = 0;
  const source = unpacked(message);
  try {
    for await (const chunk of source) {
      if (!Buffer.isBuffer(chunk)) continue;
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxBytes) break;
    }
  } finally {
    source.destroy();
    message.destroy();
  }
  return { body: Buffer.concat(chunks).subarray(0, maxBytes), cut: size > maxBytes };
}

/** Throws Refused with a sentence for the model; rejects with the signal's reason, or with what the network said. */
export async function httpGet(text: string, options: FetchOptions): Promise<Fetched> {
  let url = checkUrl(text, options.allow);
  for (let redirects = 0; ; redirects += 1) {
    options.signal.throwIfAborted();
    const { addresses } = await targetOf(url, options);
    const message = await ask(url, addresses, options);
    const { statusCode: status = 0, headers } = message;
    const { location } = headers;
    if (!REDIRECTS.has(status) || location === undefined) {
      const [mediaType = '', ...parameters] = (headers['content-type'] ?? '').split(';');
      const charset = /charset="?([\w-]+)/i.exec(parameters.join(';'))?.[1] ?? 'utf-8';
      const body = await bodyOf(message, options.maxBytes);
      return { url, status, mediaType: mediaType.trim().toLowerCase(), charset, ...body };
    }
    message.destroy();
    if (redirects === MOST_REDIRECTS) throw new Refused('There are too many redirects.');
    url = checkUrl(location, options.allow, url);
  }
}
