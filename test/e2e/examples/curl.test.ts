import { beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ServerProcess, useServers } from '../../support/server-process.ts';
import { patternOf, play, stepsOf } from '../../support/walkthrough.ts';

const FILE = resolve(import.meta.dirname, '../../../examples/curl.md');
const DEFAULT_URL = 'http://127.0.0.1:3000';

describe('examples/curl.md', () => {
  const servers = useServers();
  let server: ServerProcess;
  beforeAll(async () => {
    server = await servers.start();
  }, 60_000);

  test('every command prints what stands below it', async () => {
    const { baseUrl } = server;
    const steps = stepsOf(readFileSync(FILE, 'utf8').replaceAll(DEFAULT_URL, baseUrl));

    const outputs = await play(
      steps.map(({ command }) => command),
      { PATH: process.env['PATH'] },
    );

    expect(outputs).toHaveLength(steps.length);
    const printed = steps.map((step, index) => ({
      ...step,
      printed: `${outputs[index]?.trimEnd()}\n`,
    }));
    const otherwise = printed.filter((step) => !patternOf(step.expected ?? '').test(step.printed));
    expect(otherwise).toEqual([]);
  });
});
