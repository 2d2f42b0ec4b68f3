import type { SessionController } from '../controllers/session.ts';
import type { Route } from '../http/route.ts';
import { sessionSchema } from '../http/schemas.ts';

const kind = { access: 'public', tag: 'auth', path: '/api/auth/session' } as const;

export function authRoutes(session: SessionController): Route[] {
  return [
    {
      ...kind,
      method: 'post',
      handle: session.signIn,
      doc: {
        summary: 'Trade a bearer token for a cookie',
        description:
          'For EventSource, which cannot send headers. GET routes accept the cookie; others only from an allowed origin.',
        headers: { Authorization: 'Bearer <JWT>' },
        answers: { 200: { about: 'Signed in.', body: sessionSchema, headers: ['Set-Cookie'] } },
        errors: ['UNAUTHENTICATED', 'FORBIDDEN_ORIGIN', 'UNAVAILABLE'],
      },
    },
    {
      ...kind,
      method: 'delete',
      handle: session.signOut,
      doc: {
        summary: 'Sign out: clear the cookie',
        answers: { 204: { about: 'Signed out.', headers: ['Set-Cookie'] } },
        errors: ['FORBIDDEN_ORIGIN'],
      },
    },
  ];
}
