import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPTS = fileURLToPath(new URL('../../scripts', import.meta.url));

/** A house of its own: our scripts, and stand-ins for npm, the compiler and the server that say that they ran. */
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'house-'));
  cpSync(SCRIPTS, join(root, 'scripts'), { recursive: true });
  write('package.json', '{"type":"module"}');
  write('package-lock.json', lock('1.0.0'));
  write('tsconfig.json', '');
  write('tsconfig.build.json', '');
  write('src/main.ts', '');
  npm(`cp "${root}/package-lock.json" node_modules/.package-lock.json`);
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function lock(version: string): string {
  return JSON.stringify({
    packages: {
      '': { name: 'house' },
      'node_modules/a': { version, integrity: version },
      'node_modules/for-another-platform': { version, optional: true },
    },
  });
}

/** An npm that installs a compiler, which makes dist/main.js out of thin air, and then does `more`. */
function npm(more: string): void {
  const compiler = `const fs = require('node:fs');
    console.log('compiled');
    fs.mkdirSync('dist', { recursive: true });
    fs.writeFileSync('dist/main.js', "console.log('served')");`;
  write('compiler.cjs', compiler);
  const bin = 'node_modules/typescript/bin';
  const script = `#!/bin/sh
    echo "npm $1"
    mkdir -p ${bin} && cp compiler.cjs ${bin}/tsc && echo '{}' > ${bin}/package.json
    ${more}`;
  write('bin/npm', script);
  chmodSync(join(root, 'bin/npm'), 0o755);
}

/** Makes a file a minute younger than everything else. */
function touch(path: string): void {
  const later = new Date(Date.now() + 60_000);
  utimesSync(join(root, path), later, later);
}

interface Outcome {
  code: number;
  lines: string[];
  stderr: string;
}

function start(): Promise<Outcome> {
  const env = {
    ...process.env,
    PATH: `${join(root, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`,
  };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [join(root, 'scripts/start.mjs')],
      { cwd: root, env },
      (_error, stdout, stderr) =>
        resolve({ code: child.exitCode ?? -1, lines: stdout.trim().split('\n'), stderr }),
    );
  });
}

const QUIET = { code: 0, lines: ['served'], stderr: '' };

test('a fresh clone installs, builds and serves; the second start only serves', async () => {
  const first = await start();
  const second = await start();

  expect(first.lines).toEqual([
    'holdfast: node_modules is missing: running npm ci (half a minute or so)',
    'npm ci',
    'holdfast: dist is missing: building',
    'compiled',
    'served',
  ]);
  expect(second).toEqual(QUIET);
});

test.each(['src/main.ts', 'tsconfig.build.json', 'src'])(
  'a change of %s builds again',
  async (path) => {
    await start();
    touch(path);

    const { lines } = await start();

    expect(lines).toEqual([
      'holdfast: dist is older than the sources: building',
      'compiled',
      'served',
    ]);
  },
);

test('a lock that wants something else installs, one that is only younger does not', async () => {
  await start();
  touch('package-lock.json');
  const younger = await start();
  write('package-lock.json', lock('2.0.0'));
  touch('package-lock.json');
  const other = await start();

  expect(younger).toEqual(QUIET);
  expect(other.lines.slice(0, 2)).toEqual([
    'holdfast: node_modules is older than package-lock.json: running npm ci (half a minute or so)',
    'npm ci',
  ]);
});

test('an install that fails ends with a sentence and no stack trace', async () => {
  npm('exit 7');

  const { code, stderr } = await start();

  expect(code).toBe(1);
  expect(stderr).toBe('holdfast: npm ci failed, see above. Is the package registry reachable?\n');
});

test('a build that fails ends with a sentence, and the next start builds again', async () => {
  await start();
  rmSync(join(root, 'dist'), { recursive: true });
  write('node_modules/typescript/bin/tsc', 'process.exit(2)');

  const failures = [await start(), await start()];

  for (const { code, stderr } of failures) {
    expect(code).toBe(1);
    expect(stderr).toBe('holdfast: the build failed, see above.\n');
  }
});

test('an old Node is told what is needed', async () => {
  const { checkNode } = await import(new URL('../../scripts/lib/house.mjs', import.meta.url).href);

  for (const version of ['18.20.0', '20.18.3']) {
    expect(() => checkNode(version)).toThrow(`Node 20.19 or newer is needed, this is ${version}`);
  }
  for (const version of ['20.19.0', '22.0.0', '24.1.0']) expect(checkNode(version)).toBeUndefined();
});
