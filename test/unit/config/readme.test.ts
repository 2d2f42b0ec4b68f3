import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { configTable } from '../../../src/config/config.ts';
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
