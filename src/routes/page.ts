import type { PageController } from '../controllers/page.ts';
import type { Route } from '../http/route.ts';

const kind = { access: 'public', method: 'get', tag: 'ops' } as const;

export function pageRoutes(page: PageController): Route[] {
  return [
    {
      ...kind,
      path: '/',
      handle: page.page,
      doc: {
        summary: 'The page for people',
        answers: { 200: { about: 'A page.', body: { contentType: 'text/html' } } },
      },
    },
    {
      ...kind,
      path: '/web/:file',
      handle: page.file,
      doc: {
        summary: 'A part of the page',
        answers: {
          200: { about: 'Script, style or picture.', body: { contentType: 'text/javascript' } },
          304: { about: 'As it was.' },
        },
        errors: ['NOT_FOUND'],
      },
    },
  ];
}
