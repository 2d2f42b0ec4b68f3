import type { OpsController } from '../controllers/ops.ts';
import type { Route } from '../http/route.ts';
import { healthSchema, readySchema } from '../http/schemas.ts';

const kind = { access: 'public', method: 'get', tag: 'ops' } as const;

export function opsRoutes(ops: OpsController): Route[] {
  return [
    {
      ...kind,
      path: '/healthz',
      handle: ops.health,
      doc: {
        summary: 'The process lives',
        answers: { 200: { about: 'It does.', body: healthSchema } },
      },
    },
    {
      ...kind,
      path: '/readyz',
      handle: ops.ready,
      doc: {
        summary: 'Stores can be reached, and the server is not stopping',
        answers: { 200: { about: 'Ready.', body: readySchema } },
        errors: ['UNAVAILABLE'],
      },
    },
    {
      ...kind,
      path: '/metrics',
      handle: ops.metrics,
      doc: {
        summary: 'Metrics',
        answers: { 200: { about: 'Prometheus text.', body: { contentType: 'text/plain' } } },
      },
    },
    {
      ...kind,
      path: '/openapi.json',
      handle: ops.openApi,
      doc: {
        summary: 'This document',
        answers: { 200: { about: 'OpenAPI 3.1.', body: { contentType: 'application/json' } } },
      },
    },
    {
      ...kind,
      path: '/docs',
      handle: ops.docs,
      doc: {
        summary: 'This document for people',
        answers: { 200: { about: 'A page.', body: { contentType: 'text/html' } } },
      },
    },
  ];
}
