import type { Response } from 'express';
import type { Authenticator } from '../http/auth.ts';
import type { AppContext } from '../http/context.ts';
import type { Call } from '../http/route.ts';
import { clearedCookie, sessionCookie } from '../http/session-cookie.ts';

interface Context extends Pick<AppContext, 'clock'> {
  authenticator: Authenticator;
}

function isoTime(epochSeconds: number | null): string | null {
  return epochSeconds === null ? null : new Date(epochSeconds * 1_000).toISOString();
}

function setCookie(res: Response, cookie: string): void {
  res.setHeader('Set-Cookie', cookie);
}

/** The cookie session: bearer in, cookie out. In dev mode it only says who the caller is. */
export function createSessionController({ authenticator, clock }: Context) {
  return {
    signIn: async ({ req, res }: Call): Promise<void> => {
      // Another site's page must not sign its visitor in as somebody else.
      authenticator.refuseForeignPage(req);
      const identity = await authenticator.identifyBearer(req);
      const { tenantId, userId, roles } = identity;
      if (authenticator.issueSession === null) {
        res.json({ tenantId, userId, roles, expiresAt: null });
        return;
      }
      const { token, expiresAt } = await authenticator.issueSession(identity);
      const maxAge = expiresAt - Math.floor(clock.now() / 1_000);
      setCookie(res, sessionCookie(token, { maxAge, secure: req.secure }));
      res.json({ tenantId, userId, roles, expiresAt: isoTime(expiresAt) });
    },

    signOut: ({ req, res }: Call): void => {
      authenticator.refuseForeignPage(req);
      setCookie(res, clearedCookie(req.secure));
      res.status(204).end();
    },
  };
}

export type SessionController = ReturnType<typeof createSessionController>;
