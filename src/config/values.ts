/** A form of a value in the environment: `parse` answers undefined for what is not accepted. */
export interface Form<T> {
  /** In words, for faults. */
  accepts: string;
  parse(text: string): T | undefined;
}

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function isUnit(text: string): text is keyof typeof UNITS {
  return Object.hasOwn(UNITS, text);
}

/** Milliseconds of `500ms`, `10s`, `5m`, `24h`, `7d`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined || !isUnit(unit)) return undefined;
  const ms = Number(digits) * UNITS[unit];
  return Number.isSafeInteger(ms) ? ms : undefined;
}

function form<T>(accepts: string, parse: (text: string) => T | undefined): Form<T> {
  return { accepts, parse };
}

export function duration(least: string, most: string): Form<number> {
  const min = parseDuration(least) ?? 0;
  const max = parseDuration(most) ?? Number.MAX_SAFE_INTEGER;
  return form(`a duration such as 500ms, 10s, 5m, 24h or 7d, from ${least} to ${most}`, (text) => {
    const ms = parseDuration(text);
    return ms !== undefined && ms >= min && ms <= max ? ms : undefined;
  });
}

export function integer(min: number, max: number): Form<number> {
  return form(`an integer from ${min} to ${max}`, (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  });
}

export function oneOf<const T extends string>(...values: [T, ...T[]]): Form<T> {
  return form(`one of ${values.join(', ')}`, (text) => values.find((value) => value === text));
}

export const flag: Form<boolean> = form('1 or 0', (text) => {
  if (text === '1' || text === 'true') return true;
  return text === '0' || text === 'false' ? false : undefined;
});

export const anyText: Form<string> = form('any text', (text) => text);

export function secret(least: number): Form<string> {
  return form(`a secret of at least ${least} bytes`, (text) =>
    Buffer.byteLength(text) >= least ? text : undefined,
  );
}

export function pattern(accepts: string, shape: RegExp): Form<string> {
  return form(accepts, (text) => (shape.test(text) ? text : undefined));
}

export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare);
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** URLs with one of these schemes (`https:`). */
export function url(...schemes: string[]): Form<string> {
  const names = schemes.map((scheme) => `${scheme}//`).join(' or ');
  return form(`a URL that begins with ${names}`, (text) =>
    schemes.includes(parseUrl(text)?.protocol ?? '') ? text : undefined,
  );
}

/** One URL, or several of the same scheme with commas between. Kept as one text. */
export function urls(...schemes: string[]): Form<string> {
  const names = schemes.map((scheme) => `${scheme}//`).join(' or ');
  return form(`a URL that begins with ${names}, or several separated by commas`, (text) => {
    const used = new Set(text.split(',').map((part) => parseUrl(part.trim())?.protocol ?? ''));
    const [scheme = ''] = used;
    return used.size === 1 && schemes.includes(scheme) ? text : undefined;
  });
}

/** Where something is sent to. `fetch` refuses URLs with a user name or a password. */
export const receiverUrl: Form<string> = form(
  'an http:// or https:// URL without a user name or a password',
  (text) => {
    const parsed = parseUrl(text);
    const bare = parsed?.username === '' && parsed.password === '';
    return bare && /^https?:$/.test(parsed.protocol) ? text : undefined;
  },
);

/** Keys that decide who somebody is come over TLS, or from this machine. */
export const trustedUrl: Form<string> = form(
  'an https:// URL (http:// only on a loopback host)',
  (text) => {
    const parsed = parseUrl(text);
    const local = parsed?.protocol === 'http:' && isLoopback(parsed.hostname);
    return parsed?.protocol === 'https:' || local ? text : undefined;
  },
);

/** Comma-separated web origins, exactly as a browser sends them. `*` is none: answers carry credentials. */
export const origins: Form<string[]> = form(
  'web origins separated by commas, such as https://chat.example.com,http://localhost:5173 (no path, no *)',
  (text) => {
    const list = text.split(',').map((item) => item.trim());
    const good = list.every((item) => {
      const parsed = parseUrl(item);
      return parsed?.origin === item && /^https?:$/.test(parsed.protocol);
    });
    return good ? [...new Set(list)] : undefined;
  },
);

/** `demo`, or the provider and the model for LangChain's `initChatModel`. */
export const model: Form<string> = pattern(
  'demo, openai:<model> or anthropic:<model>',
  /^(?:demo|(?:openai|anthropic):[^\s:][^\s]{0,199})$/,
);

export const PROTOCOLS = ['ai-sdk', 'ag-ui', 'openai'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Protocols besides our own, comma-separated, or `none`. */
export const protocols: Form<Protocol[]> = form(
  'protocols separated by commas (ai-sdk, ag-ui, openai), or none',
  (text) => {
    if (text.trim() === 'none') return [];
    const named = text.split(',').map((item) => item.trim());
    const known = PROTOCOLS.filter((name) => named.includes(name));
    return named.length === known.length ? known : undefined;
  },
);
