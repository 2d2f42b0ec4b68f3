import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { configTable, ConfigError, loadConfig } from '../../../src/config/config.ts';
import { variables } from '../../../src/config/env.ts';

test("the README's table of variables is the one that the schema renders", () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

  const [, table] = readme.split('<!-- config -->');

  expect(table?.trim()).toBe(configTable());
});

test('the protocol names every variable once in its section 9, and no other', () => {
  const protocol = readFileSync(new URL('../../../docs/PROTOCOL.md', import.meta.url), 'utf8');

  const [, section = ''] = /^## 9\.([\s\S]*?)^In `AUTH_MODE/m.exec(protocol) ?? [];
  const named = [...section.matchAll(/`([A-Z][A-Z_]+)`/g)].map(([, name = '']) => name);

  expect(named.toSorted()).toEqual(
    variables()
      .map(({ name }) => name)
      .toSorted(),
  );
});

test('a fault in a variable that has a form is told under its own name', () => {
  const any = ['HOLDFAST_CONFIG', 'DATA_DIR', 'DEMO_LEDGER', 'JWT_ISSUER', 'JWT_AUDIENCE'];
  const free = new Set([...any, 'OPENAI_API_KEY', 'ANTHROPIC_API_KEY']);
  const names = variables().flatMap(({ name }) => (free.has(name) ? [] : [name]));

  const load = (): unknown => loadConfig(Object.fromEntries(names.map((name) => [name, '\u0001'])));

  let told: string[] = [];
  try {
    load();
  } catch (error) {
    told = error instanceof ConfigError ? error.faults.map(({ name }) => name) : [String(error)];
  }
  expect(told).toEqual(names);
});
