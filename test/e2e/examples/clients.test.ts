import { beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { useServers, type ServerProcess } from '../../support/server-process.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const DEFAULT_URL = 'http://127.0.0.1:3000';

/** Node 20 has no EventSource; the package is the standard's. */
const PRELUDE = "import { EventSource } from 'eventsource';";

function blocksUnder(heading: string): string[] {
  const [, rest = ''] = readFileSync(resolve(ROOT, 'docs/CLIENTS.md'), 'utf8').split(
    `\n## ${heading}\n`,
  );
  const [section = ''] = rest.split('\n## ');
  return [...section.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = '']) => code);
}

describe('docs/CLIENTS.md', () => {
  const servers = useServers();
  let server: ServerProcess;
  beforeAll(async () => {
    server = await servers.start({ PROFILE: 'memory' });
  }, 60_000);

  test('the native protocol by EventSource and by fetch: both have the whole answer', () => {
    const printed = blocksUnder('Native').map((code) => {
      const script = `${PRELUDE}\n${code.replaceAll(DEFAULT_URL, server.baseUrl)}`;
      const { stdout, stderr } = spawnSync(
        process.execPath,
        ['--input-type=module', '-e', script],
        { cwd: ROOT, timeout: 10_000, encoding: 'utf8' },
      );
      return stdout + stderr;
    });

    const answer = Array.from({ length: 20 }, (_, n) => `word${n + 1}`).join(' ');
    expect(printed).toEqual([`${answer}\n`, `${answer}\n`]);
  });
});
