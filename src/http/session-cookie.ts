/** The cookie that stands in for the bearer token where a browser can't send headers (EventSource). */

const NAME = 'holdfast_session';

function attributes(secure: boolean): string {
  return `Path=/api; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`;
}

export function sessionCookie(token: string, options: { maxAge: number; secure: boolean }): string {
  return `${NAME}=${token}; Max-Age=${Math.max(0, options.maxAge)}; ${attributes(options.secure)}`;
}

export function clearedCookie(secure: boolean): string {
  return `${NAME}=; Max-Age=0; ${attributes(secure)}`;
}

/** The session token in a Cookie header. */
export function readSessionCookie(header: string | undefined): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const [name, ...value] = pair.trim().split('=');
    if (name === NAME && value.length > 0) return value.join('=') || undefined;
  }
  return undefined;
}
