import { z } from 'zod';
import { ERROR_STATUS } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import type { Json, JsonObject } from '../lib/json.ts';
import { jsonObjectSchema } from '../stream/message.ts';
import type { Answer, Route } from './route.ts';
import { NAMED_SCHEMAS } from './schemas.ts';

/** The OpenAPI 3.1 document, made of the routes and their zod schemas: OpenAPI 3.1 schemas are JSON Schema 2020-12. */

const names = z.registry<{ id: string }>();
for (const [id, schema] of Object.entries(NAMED_SCHEMAS)) names.add(schema, { id });

const ref = (name: string): JsonObject => ({ $ref: `#/components/schemas/${name}` });

/** JSON Schema's names for its own bookkeeping mean nothing inside a component. */
function tidy(value: Json): Json {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => key !== '$schema' && key !== '$id');
  return Object.fromEntries(kept.map(([key, member]) => [key, tidy(member)]));
}

function parseObject(value: unknown): JsonObject {
  return jsonObjectSchema.parse(JSON.parse(JSON.stringify(value)));
}

function components(): JsonObject {
  const { schemas } = z.toJSONSchema(names, {
    uri: (id) => `#/components/schemas/${id}`,
    unrepresentable: 'any',
  });
  return parseObject(tidy(parseObject(schemas)));
}

/** A schema that is not named, in place; named ones inside it by reference. */
function inline(schema: z.ZodType, io: 'input' | 'output'): Json {
  const name = names.get(schema)?.id;
  if (name !== undefined) return ref(name);
  const own = z.registry<{ id: string }>();
  for (const [id, named] of Object.entries(NAMED_SCHEMAS)) own.add(named, { id });
  own.add(schema, { id: 'own' });
  const { schemas } = z.toJSONSchema(own, {
    uri: (id) => `#/components/schemas/${id}`,
    unrepresentable: 'any',
    io,
  });
  return tidy(parseObject(schemas['own']));
}

function content(answer: Answer): JsonObject {
  if (answer.body === undefined) return {};
  if ('contentType' in answer.body) {
    return { content: { [answer.body.contentType]: { schema: { type: 'string' } } } };
  }
  return { content: { 'application/json': { schema: inline(answer.body, 'output') } } };
}

function headersOf(answer: Answer): JsonObject {
  const own = answer.headers ?? [];
  const all = ['X-Request-Id', ...own].map((name): [string, Json] => [
    name,
    { schema: { type: 'string' } },
  ]);
  return { headers: Object.fromEntries(all) };
}

/** Errors that a route of this kind can give whatever it does. */
export function errorsOf(route: Route): ErrorCode[] {
  const body: ErrorCode[] = ['INVALID_JSON', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];
  const all: ErrorCode[] = [
    'INVALID_REQUEST',
    'METHOD_NOT_ALLOWED',
    'INTERNAL',
    ...(route.doc.body === undefined ? [] : body),
    ...(route.access === 'user'
      ? (['UNAUTHENTICATED', 'FORBIDDEN_ORIGIN', 'UNAVAILABLE'] as const)
      : []),
    ...(route.doc.errors ?? []),
  ];
  return [...new Set(all)].toSorted((a, b) => ERROR_STATUS[a] - ERROR_STATUS[b]);
}

function errorAnswers(route: Route): JsonObject {
  const { refusals } = route;
  const schema = refusals ? inline(refusals.schema, 'output') : ref('Error');
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of errorsOf(route)) {
    const status = ERROR_STATUS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const entries = [...byStatus].map(([status, codes]): [string, Json] => [
    String(status),
    {
      description: codes.map((code) => `\`${code}\``).join(', '),
      content: { 'application/json': { schema } },
    },
  ]);
  return Object.fromEntries(entries);
}

function answers(route: Route): JsonObject {
  const own = Object.entries(route.doc.answers).map(([status, answer]): [string, Json] => [
    status,
    { description: answer.about, ...headersOf(answer), ...content(answer) },
  ]);
  return { ...errorAnswers(route), ...Object.fromEntries(own) };
}

const openApiPath = (path: string): string => path.replace(/:(\w+)/g, '{$1}');

function parameters(route: Route): Json[] {
  const string = { type: 'string' };
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name = '']): Json => ({
    name,
    in: 'path',
    required: true,
    schema: string,
  }));
  const inHeader = Object.entries(route.doc.headers ?? {}).map(([name, description]): Json => ({
    name,
    in: 'header',
    description,
    schema: string,
  }));
  const inQuery = Object.entries(route.doc.query?.shape ?? {}).map(([name, schema]): Json => ({
    name,
    in: 'query',
    schema: inline(schema, 'input'),
  }));
  return [...inPath, ...inQuery, ...inHeader];
}

function operation(route: Route): JsonObject {
  const { summary, description, body } = route.doc;
  return {
    tags: [route.tag],
    summary,
    ...(description === undefined ? {} : { description }),
    security: route.access === 'user' ? [{ bearer: [] }, { session: [] }] : [],
    parameters: parameters(route),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: inline(body, 'input') } },
          },
        }),
    responses: answers(route),
  };
}

const INFO = {
  title: 'Holdfast',
  version: '1',
  description: 'A chat backend whose answers survive their connection.',
  license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
};

export function openApiDocument(routes: Route[]): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const route of routes) {
    const path = openApiPath(route.path);
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: INFO,
    paths,
    components: {
      schemas: components(),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        session: { type: 'apiKey', in: 'cookie', name: 'holdfast_session' },
      },
    },
  };
}
