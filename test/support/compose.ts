import { describe } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { object, type Shape } from './shape.ts';

const ROOT = resolve(import.meta.dirname, '../..');
// What an operator gets who has set nothing.
const ENV = { PATH: process.env['PATH'], HOME: process.env['HOME'] };

function run([command = '', ...args]: string[]) {
  return spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', env: ENV });
}

/** Compose is a plug-in or a program of its own; version 1 does not know this form of the file. */
function find(): string[] | undefined {
  const forms = [['docker', 'compose'], ['docker-compose']];
  return forms.find((form) => {
    const { status, stdout } = run([...form, 'version', '--short']);
    return status === 0 && Number.parseInt(stdout.trim().replace(/^v/, ''), 10) >= 2;
  });
}

/** A suite over docker-compose.yml as Docker Compose itself reads it. Few machines without an engine have it. */
export function describeCompose(fn: (read: () => Shape) => void): void {
  const command = find();
  const read = (): Shape => {
    const args = ['--env-file', '/dev/null', 'config', '--format', 'json'];
    const { status, stdout, stderr } = run([...(command ?? []), ...args]);
    if (status !== 0) throw new Error(`docker-compose.yml is refused: ${stderr}`);
    return object(JSON.parse(stdout));
  };
  if (command) {
    describe('docker compose config', () => {
      fn(read);
    });
    return;
  }
  process.stderr.write('!!! no Docker Compose 2: skipping docker compose config\n');
  // oxlint-disable-next-line jest/no-disabled-tests -- counted and named as skipped by the reporter
  describe.skip('docker compose config', () => {
    fn(read);
  });
}
