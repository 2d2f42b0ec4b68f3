import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { cpuSeconds } from './proc.mjs';
import { freePort } from './targets.mjs';

/** A throw-away redis-server, set as docker-compose.yml has it; without `aof` it keeps nothing on disk. */
export class RedisServer {
  static async start({ aof }) {
    const server = new RedisServer();
    server.dir = mkdtempSync(join(tmpdir(), 'holdfast-bench-redis-'));
    const port = await freePort();
    const args = {
      port,
      bind: '127.0.0.1',
      dir: server.dir,
      save: '',
      appendonly: aof ? 'yes' : 'no',
      appendfsync: 'everysec',
      maxmemory: '512mb',
      'maxmemory-policy': 'noeviction',
    };
    const flags = Object.entries(args).flatMap(([name, value]) => [`--${name}`, String(value)]);
    server.child = spawn('redis-server', flags, { stdio: 'ignore' });
    server.url = `redis://127.0.0.1:${port}`;
    // It tries again until the server listens, however long that takes on a busy disk.
    server.admin = new Redis(port, '127.0.0.1', {
      retryStrategy: () => 20,
      maxRetriesPerRequest: null,
    });
    server.admin.on('error', () => {});
    await server.admin.ping();
    return server;
  }

  /** What it has done so far. */
  async figures() {
    const { pid } = this.child;
    const text = `${await this.admin.info('stats')}\n${await this.admin.info('commandstats')}`;
    const stat = (name) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    const calls = Object.fromEntries(
      [...text.matchAll(/^cmdstat_(.+?):calls=(\d+)/gm)].map(([, name, n]) => [name, Number(n)]),
    );
    return {
      cpu: cpuSeconds(pid),
      bytesIn: stat('total_net_input_bytes'),
      bytesOut: stat('total_net_output_bytes'),
      calls,
    };
  }

  async stop() {
    this.admin.disconnect();
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/**
 * Commands that clients sent between two looks, a script counted as one: `INFO commandstats` has what scripts call as well.
 * `inner` are the calls that each run of the script makes that calls `marker` once.
 */
export function commandsBetween(before, after, { marker, inner }) {
  const made = (name) => (after.calls[name] ?? 0) - (before.calls[name] ?? 0);
  const runs = marker ? made(marker) : 0;
  const all = Object.keys(after.calls)
    .filter((name) => name !== 'info')
    .reduce((sum, name) => sum + made(name), 0);
  return all - runs * inner;
}
