import { z } from 'zod';
import { eraseSchema, type MeController } from '../controllers/me.ts';
import type { Route } from '../http/route.ts';

const kind = { access: 'user', tag: 'me' } as const;

export function meRoutes(me: MeController): Route[] {
  return [
    {
      ...kind,
      method: 'get',
      path: '/api/me/export',
      handle: me.export,
      doc: {
        summary: "All of the caller's data",
        description: 'One JSON object a line; the last one has `type: "end"`.',
        answers: {
          200: { about: 'The lines.', body: { contentType: 'application/x-ndjson' } },
        },
      },
    },
    {
      ...kind,
      method: 'delete',
      path: '/api/me',
      handle: me.erase,
      doc: {
        summary: "Delete all of the caller's data",
        body: eraseSchema,
        answers: {
          202: {
            about: 'It is certain that it will be done, also if this server dies.',
            body: z.object({ status: z.literal('deleting'), requestedAt: z.string() }),
          },
        },
      },
    },
  ];
}
