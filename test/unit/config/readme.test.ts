import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { configTable } from '../../../src/config/config.ts';

test("the README's table of variables is the one that the schema renders", () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

  const [, table] = readme.split('<!-- config -->');

  expect(table?.trim()).toBe(configTable());
});
