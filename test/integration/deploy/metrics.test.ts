import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { loadConfig } from '../../../src/config/config.ts';
import { createContext, type Context } from '../../../src/context.ts';
import { createHttpServer } from '../../../src/http/server.ts';
import { request } from '../../support/api.ts';
import { isShape } from '../../support/shape.ts';

const read = (name: string): string =>
  readFileSync(new URL(`../../../deploy/${name}`, import.meta.url), 'utf8');

/** Words of PromQL that stand where a metric's name could. */
const KEYWORDS = new Set([
  'and',
  'or',
  'unless',
  'by',
  'without',
  'on',
  'ignoring',
  'offset',
  'bool',
]);

/** Names of the metrics in an expression: what is left without labels, ranges, texts, functions and keywords. */
function metricsOf(expression: string): string[] {
  const bare = expression
    .replaceAll(/\{[^}]*\}/g, ' ')
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(?:by|without|on|ignoring)\s*\([^)]*\)/g, ' ')
    .replaceAll(/[a-z_]+\s*\(/g, ' ');
  return [...bare.matchAll(/(?<![\w.])[a-zA-Z_:][\w:]*/g)]
    .map(([name]) => name)
    .filter((name) => !KEYWORDS.has(name));
}

/** Every value of `key`, however deep. */
function valuesOf(value: unknown, key: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => valuesOf(item, key));
  if (!isShape(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === key && typeof inner === 'string' ? [inner] : valuesOf(inner, key),
  );
}

const dashboard = valuesOf(JSON.parse(read('grafana-dashboard.json')), 'expr');
const alerts = [...read('alerts.yml').matchAll(/^ +expr: (.+)$/gm)].map(([, text = '']) => text);

describe('what the dashboard and the alerts look at', () => {
  let context: Context;
  /** Names of the series, as a real process answers them; a histogram's with their suffixes. */
  let series: Set<string>;
  let families: string[];

  beforeAll(async () => {
    context = await createContext(loadConfig({ PROFILE: 'memory', LOG_LEVEL: 'silent' }));
    const server = createHttpServer(context.app);
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const { text } = await request(`http://127.0.0.1:${port}`, { path: '/metrics' });
    await new Promise((resolve) => server.close(resolve));
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    families = types.map(([, name = '']) => name);
    series = new Set(
      types.flatMap(([, name = '', type]) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    );
  });

  afterAll(async () => {
    await context[Symbol.asyncDispose]();
  });

  test('exists', () => {
    const named = [...dashboard, ...alerts].flatMap(metricsOf);

    // `up` is Prometheus's own.
    expect(named.filter((name) => name !== 'up' && !series.has(name))).toEqual([]);
    expect(dashboard.length).toBeGreaterThan(10);
    expect(alerts.length).toBe(read('alerts.yml').split('- alert:').length - 1);
  });

  test('is all that there is: the dashboard has every metric of ours', () => {
    const shown = new Set(
      dashboard.flatMap(metricsOf).map((name) => name.replace(/_(bucket|sum|count)$/, '')),
    );
    const ours = families.filter((name) => name.startsWith('holdfast_'));

    expect(ours.filter((name) => !shown.has(name))).toEqual([]);
    expect(ours.length).toBeGreaterThan(10);
  });

  test.each([
    [
      'sum by (route) (rate(a_count{status="5"}[5m])) > 0.5 * b and c or absent(up)',
      ['a_count', 'b', 'c', 'up'],
    ],
    ['histogram_quantile(0.95, sum by (le) (rate(d_bucket[10m]))) > 1e3', ['d_bucket']],
  ])('names are found in %s', (expression, names) => {
    expect(metricsOf(expression)).toEqual(names);
  });
});
