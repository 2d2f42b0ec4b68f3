import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../lib/json.ts';
import { exampleOf, list, member, members, text } from './schema-example.ts';

/** The OpenAPI document as one HTML page: no script, no outside asset, so that the strictest policy can hold. */

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d9dee3; --back: #fff; --code: #f5f7f9; --link: #0b5cad }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa4ae; --line: #333a42; --back: #14171a; --code: #1d2227; --link: #7db8f5 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 6rem; font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--back) }
h1 { margin: 0 } h2 { margin: 3rem 0 .75rem; text-transform: capitalize } h3 { margin: 1.25rem 0 .25rem; font-size: 1rem }
a { color: var(--link) } p { margin: .4rem 0 } .soft { color: var(--soft) }
nav a { margin-right: 1rem }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: 0 1rem }
details[open] { padding-bottom: 1rem }
summary { cursor: pointer; padding: .7rem 0; overflow-wrap: anywhere }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; font-size: .85rem }
.get { color: #0b6e4f } .post { color: #0b5cad } .patch { color: #9a6700 } .delete { color: #b42318 }
@media (prefers-color-scheme: dark) { .get { color: #5fd3a8 } .post { color: #7db8f5 } .patch { color: #e3b341 } .delete { color: #ff8a80 } }
code, pre { font: 13.5px/1.5 ui-monospace, monospace }
pre { background: var(--code); border-radius: .4rem; padding: .75rem 1rem; overflow-x: auto }
table { border-collapse: collapse; width: 100% } td:first-child, th:first-child { width: 10rem } td, th { border-bottom: 1px solid var(--line); padding: .35rem .75rem .35rem 0; text-align: left; vertical-align: top }
`;

/** Nothing but the page's own style may run or load. */
const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256')
  .update(STYLE)
  .digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(raw: string): string {
  return raw.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}

/** Escaped, with `code` in back quotes set as such. */
function prose(raw: string): string {
  return escape(raw).replace(/`([^`]+)`/g, '<code>$1</code>');
}

function paragraph(raw: string): string {
  return raw === '' ? '' : `<p>${prose(raw)}</p>`;
}

function pre(value: Json): string {
  return `<pre>${escape(JSON.stringify(value, null, 2))}</pre>`;
}

function anchor(name: string): string {
  return `schema-${name}`;
}

function schemaLink(schema: Json | undefined): string {
  const name = text(member(schema, '$ref')).split('/').at(-1) ?? '';
  return name === '' ? '' : `<p><a href="#${escape(anchor(name))}">${escape(name)}</a></p>`;
}

function row(cells: string[], tag: 'th' | 'td'): string {
  return `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;
}

function table(head: string[], rows: string[][]): string {
  if (rows.length === 0) return '';
  return `<table>${row(head, 'th')}${rows.map((cells) => row(cells, 'td')).join('')}</table>`;
}

function parameterTable(operation: Json): string {
  const rows = list(member(operation, 'parameters')).map((parameter) => [
    `<code>${escape(text(member(parameter, 'name')))}</code>`,
    escape(text(member(parameter, 'in'))),
    prose(
      text(member(parameter, 'description')) ||
        text(member(member(parameter, 'schema'), 'description')),
    ),
  ]);
  return rows.length === 0 ? '' : `<h3>Parameters</h3>${table(['Name', 'In', 'Meaning'], rows)}`;
}

function jsonSchemaOf(body: Json | undefined): Json | undefined {
  return member(member(member(body, 'content'), 'application/json'), 'schema');
}

function requestSection(operation: Json, components: Json | undefined): string {
  const schema = jsonSchemaOf(member(operation, 'requestBody'));
  if (schema === undefined) return '';
  const inner = `<details><summary>Schema</summary>${pre(schema)}</details>`;
  return `<h3>Request body</h3>${schemaLink(schema)}${pre(exampleOf(schema, components))}${inner}`;
}

/** One example for all statuses that answer alike. */
function answerExamples(operation: Json, components: Json | undefined): string {
  const examples = new Map<string, string[]>();
  for (const [status, answer] of members(member(operation, 'responses'))) {
    const schema = jsonSchemaOf(answer);
    if (!status.startsWith('2') || schema === undefined) continue;
    const shown = schemaLink(schema) + pre(exampleOf(schema, components));
    examples.set(shown, [...(examples.get(shown) ?? []), status]);
  }
  return [...examples]
    .map(([shown, statuses]) => `<h3>Example of ${escape(statuses.join(', '))}</h3>${shown}`)
    .join('');
}

interface Shown {
  path: string;
  method: string;
  operation: Json;
}

function operationSection(shown: Shown, components: Json | undefined): string {
  const { path, method, operation } = shown;
  const rows = members(member(operation, 'responses')).map(([status, answer]) => [
    `<code>${escape(status)}</code>`,
    prose(text(member(answer, 'description'))),
  ]);
  return `<details><summary><span class="method ${escape(method)}">${escape(method.toUpperCase())}</span>
<code>${escape(path)}</code> <span class="soft">${prose(text(member(operation, 'summary')))}</span></summary>
${paragraph(text(member(operation, 'description')))}
${parameterTable(operation)}${requestSection(operation, components)}
<h3>Answers</h3>${table(['Status', 'Meaning'], rows)}${answerExamples(operation, components)}</details>`;
}

function operationsOf(document: JsonObject): Shown[] {
  return members(document['paths']).flatMap(([path, item]) =>
    members(item).map(([method, operation]) => ({ path, method, operation })),
  );
}

/** The page, and the Content-Security-Policy that fits it. */
export function docsPage(document: JsonObject): { html: string; policy: string } {
  const components = member(document['components'], 'schemas');
  const operations = operationsOf(document);
  const tags = [
    ...new Set(operations.map((each) => text(list(member(each.operation, 'tags'))[0]))),
  ];
  const sections = tags.map((tag) => {
    const own = operations.filter((each) => list(member(each.operation, 'tags')).includes(tag));
    const body = own.map((each) => operationSection(each, components)).join('\n');
    return `<section id="${escape(tag)}"><h2>${escape(tag)}</h2>${body}</section>`;
  });
  const schemas = members(components).map(
    ([name, schema]) =>
      `<details id="${escape(anchor(name))}"><summary><code>${escape(name)}</code></summary>${pre(schema)}</details>`,
  );
  const title = escape(text(member(document['info'], 'title')));
  const links = [...tags, 'schemas'].map((tag) => `<a href="#${escape(tag)}">${escape(tag)}</a>`);
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} API</title><style>${STYLE}</style></head><body>
<header><h1>${title} API</h1><p class="soft">${prose(text(member(document['info'], 'description')))}
 <a href="/openapi.json">openapi.json</a></p><nav>${links.join('')}</nav></header>
<main>${sections.join('\n')}<section id="schemas"><h2>schemas</h2>${schemas.join('\n')}</section></main>
</body></html>
`;
  return { html, policy: POLICY };
}
