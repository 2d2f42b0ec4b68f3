import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { getJson, startTurn } from '../support/api.ts';
import { freePort } from '../support/ports.ts';
import { decideAll, resume } from '../support/race-client.ts';
import { eventually } from '../support/services.ts';
import { object, type Shape } from '../support/shape.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);
const PATIENCE_MS = 25_000;

/** A clone as a newcomer has it after `npm ci`: linked, because installing is npm's business. */
async function freshClone(): Promise<string> {
  const folder = join(mkdtempSync(join(tmpdir(), 'holdfast-clone-')), 'holdfast');
  await run('git', ['clone', '--quiet', '--no-hardlinks', ROOT, folder]);
  const modules = join(folder, 'node_modules');
  await run('cp', ['-al', join(ROOT, 'node_modules'), modules]);
  // Installed now, so that it is newer than the lock; the file itself is shared with the original.
  const lock = join(modules, '.package-lock.json');
  if (existsSync(lock)) {
    copyFileSync(lock, `${lock}.new`);
    renameSync(`${lock}.new`, lock);
  }
  utimesSync(modules, new Date(), new Date());
  return folder;
}

/** The commands that the start prints: each is one line that begins with curl. */
function curlLines(output: string): string[] {
  return output
    .split('\n')
    .map((line) => line.trim().replace(/^\$ /, ''))
    .filter((line) => line.startsWith('curl '));
}

/** A command in the background. */
class Shell {
  /** What it wrote. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  #output = '';

  constructor(command: string) {
    this.#child = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString('utf8');
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('close', () => resolve(this.#output));
    });
  }

  printed(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#child.stdout?.on('data', () => {
        if (this.#output.includes(text)) resolve();
      });
      this.#child.once('close', () => reject(new Error(`ended without ${text}: ${this.#output}`)));
    });
  }
}

describe('npm start on a fresh clone', () => {
  let folder = '';
  let child: ChildProcess | undefined;
  let output = '';

  beforeAll(async () => {
    execFileSync('curl', ['--version']);
    folder = await freshClone();
  }, 60_000);

  afterAll(async () => {
    if (child?.pid !== undefined && child.exitCode === null) {
      const gone = new Promise((done) => child?.once('close', done));
      // npm starts a shell that starts node: the whole group goes.
      process.kill(-child.pid, 'SIGKILL');
      await gone;
    }
    rmSync(resolve(folder, '..'), { recursive: true, force: true });
  });

  test('prints a URL and three curl lines that work as printed', async () => {
    const port = await freePort();
    child = spawn('npm', ['start'], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], PORT: String(port) },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const printed = new Promise<void>((ready, failed) => {
      const read = (chunk: Buffer): void => {
        output += chunk.toString('utf8');
        if (curlLines(output).length >= 3) ready();
      };
      child?.stdout?.on('data', read);
      child?.stderr?.on('data', read);
      child?.once('close', () => failed(new Error(`npm start ended:\n${output}`)));
    });
    await printed;

    const lines = curlLines(output);
    expect(output).toContain(`http://127.0.0.1:${port}`);
    expect(lines).toHaveLength(3);
    const [watch = '', look = '', stop = ''] = lines;

    // As somebody does it: the first in one window, the others in another while it streams.
    const watching = new Shell(watch);
    await watching.printed('event: text_delta');
    const looked = await run('sh', ['-c', look]);
    const stopped = await run('sh', ['-c', stop]);
    const watched = await watching.ended;
    const again = await run('sh', ['-c', watch]);

    expect(looked.stdout).toContain('"status":"running"');
    expect(stopped.stdout).toContain('"alreadyFinished":false');
    expect(watched).toContain('"status":"aborted"');
    // The line run again is back in the same answer.
    const generation = /gen_[0-9a-z]+/.exec(watched)?.[0] ?? 'none';
    expect(again.stdout).toContain(generation);
    expect(again.stdout).toContain('event: done');
  }, 60_000);

  test('that many tools run at once is not told to the operator as a leak', async () => {
    const baseUrl = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0] ?? 'none';
    const { conversationId } = await startTurn(baseUrl, { text: 'approve 15' });
    let generation: Shape = {};
    const reaches = (wanted: string): Promise<void> =>
      eventually(
        wanted,
        async () => {
          const status = await getJson(baseUrl, `/api/chat/status/${conversationId}`);
          generation = object(status['generation']);
          return generation['status'] === wanted;
        },
        PATIENCE_MS,
      );
    await reaches('paused');
    await resume(baseUrl, decideAll(object(generation['pendingAction']), { decision: 'approve' }));
    await reaches('completed');

    expect(output).not.toContain('Warning');
  }, 60_000);
});
