import { afterAll } from '@jest/globals';
import { buildSync } from 'esbuild';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { request } from './api.ts';
import { freePort } from './ports.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'dist/main.js');
/** As deep as the build: it finds the page's files from where it lies. */
const BUNDLE = join(ROOT, 'dist/bundle/main.mjs');
const INSTALLED = join(ROOT, 'node_modules/.package-lock.json');

/**
 * The built product on a port and a folder of its own. Its 2,400 modules are a few files here, which start in a third of
 * the processor time. AS_BUILT=1 starts dist/main.js itself, as e2e/start.test.ts and servers with a real provider do.
 */
export interface ServerProcess {
  readonly baseUrl: string;
  readonly dataDir: string;
  readonly pid: number;
  /** Both streams, of all its lives. */
  output(): string;
  kill9(): Promise<void>;
  /** Sends the signal and does not wait. */
  signal(name: 'SIGTERM' | 'SIGINT'): void;
  /** SIGTERM; resolves with how it ended. */
  stop(): Promise<Exit>;
  exited(): Promise<Exit>;
  /** The same folder and port again, ready. Environment given here is added. */
  restart(env?: Record<string, string>): Promise<void>;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Servers {
  /** `node`: arguments for Node itself. */
  start(env?: Record<string, string>, node?: string[]): Promise<ServerProcess>;
}

/** Inside `describe`: what is started is gone when the block ends, also where a test failed. */
export function useServers(): Servers {
  const alive: Server[] = [];
  afterAll(async () => {
    for (const server of alive) await server.dispose();
  });
  return {
    async start(env = {}, node = []) {
      buildIfStale();
      const server = new Server({ env, node }, await freePort());
      alive.push(server);
      await server.launch();
      return server;
    },
  };
}

function newest(folder: string): number {
  const times = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs);
  return Math.max(0, ...times);
}

let built = false;

/** Test files may run side by side: the first one builds, the others wait for it. */
function buildIfStale(): void {
  if (built) return;
  const lock = join(ROOT, 'node_modules/.holdfast-build.lock');
  const deadline = Date.now() + 180_000;
  while (!tryLock(lock)) {
    if (Date.now() > deadline) throw new Error(`${lock} is held for three minutes`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
  try {
    const fresh = age(MAIN) > newest(join(ROOT, 'src'));
    // tsc rewrites every file, so the age of one tells that of all.
    if (!fresh) build();
    if (!isBundled()) bundle();
    built = true;
  } finally {
    rmSync(lock);
  }
}

function build(): void {
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  const { status, stdout } = spawnSync(tsc, ['-p', 'tsconfig.build.json'], { cwd: ROOT });
  if (status !== 0) throw new Error(`src does not build:\n${stdout.toString('utf8')}`);
}

/** LangChain loads the package of a provider by its name, beside a bundle and with another core: nothing would fit. */
function entryFor(env: Record<string, string>): string {
  const hasProvider = Object.keys(env).some((name) => /^OPENAI_|^ANTHROPIC_|CONFIG/.test(name));
  return hasProvider || process.env['AS_BUILT'] === '1' ? MAIN : BUNDLE;
}

function age(path: string): number {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function isBundled(): boolean {
  return age(BUNDLE) > Math.max(age(MAIN), age(INSTALLED));
}

/** CommonJS packages ask for Node's modules by `require`. */
const REQUIRE =
  "import { createRequire as requireAt } from 'node:module'; const require = requireAt(import.meta.url);";

/** What the product loads only where it is needed stays apart. Names are kept: errors and spans tell them. */
function bundle(): void {
  buildSync({
    entryPoints: [MAIN],
    outdir: dirname(BUNDLE),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    keepNames: true,
    // A native module finds its binary by where it lies.
    external: ['libsql'],
    banner: { js: REQUIRE },
    logLevel: 'error',
  });
}

function tryLock(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx'));
    return true;
  } catch {
    // EEXIST: another test file is building.
    return false;
  }
}

class Server implements ServerProcess {
  readonly baseUrl: string;
  readonly dataDir: string;
  readonly #port: number;
  readonly #env: Record<string, string>;
  readonly #node: string[];
  #child: ChildProcess | undefined;
  #exit: Promise<Exit> = Promise.resolve({ code: null, signal: null });
  #output = '';

  constructor({ env, node }: { env: Record<string, string>; node: string[] }, port: number) {
    this.#env = env;
    this.#node = node;
    this.#port = port;
    this.baseUrl = `http://127.0.0.1:${port}`;
    this.dataDir = mkdtempSync(join(tmpdir(), 'holdfast-e2e-'));
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('not running');
    return pid;
  }

  output(): string {
    return this.#output;
  }

  async launch(): Promise<void> {
    const child = spawn(process.execPath, [...this.#node, entryFor(this.#env)], {
      cwd: this.dataDir,
      env: {
        PATH: process.env['PATH'],
        LANGSMITH_TRACING: 'false',
        PORT: String(this.#port),
        DATA_DIR: join(this.dataDir, 'data'),
        LOG_LEVEL: 'warn',
        ...this.#env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#exit = new Promise((settle) => {
      child.once('close', (code, signal) => settle({ code, signal }));
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.#output += chunk;
      });
    }
    await this.#ready(child);
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + 30_000;
    while (!(await this.#answersReady())) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the server went at its start:\n${this.#output.slice(-4000)}`);
      }
      if (Date.now() > deadline) throw new Error(`never ready:\n${this.#output.slice(-4000)}`);
      await new Promise((again) => setTimeout(again, 25));
    }
  }

  async #answersReady(): Promise<boolean> {
    try {
      return (await request(this.baseUrl, { path: '/readyz' })).status === 200;
    } catch {
      // ECONNREFUSED: it does not listen yet.
      return false;
    }
  }

  async kill9(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#exit;
  }

  signal(name: 'SIGTERM' | 'SIGINT'): void {
    this.#child?.kill(name);
  }

  async stop(): Promise<Exit> {
    this.signal('SIGTERM');
    return this.#exit;
  }

  exited(): Promise<Exit> {
    return this.#exit;
  }

  async restart(env: Record<string, string> = {}): Promise<void> {
    Object.assign(this.#env, env);
    await this.launch();
  }

  async dispose(): Promise<void> {
    await this.kill9();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** Lets a test collect garbage before it measures: arguments for `Servers.start`. */
export const COLLECTABLE = [
  '--expose-gc',
  '--import',
  'data:text/javascript,process.on("SIGUSR2",()=>{gc();console.log("collected")})',
];

/** Bytes that are in use in the process once its garbage is collected. */
export async function liveBytes(server: ServerProcess): Promise<number> {
  const collections = (): number => server.output().split('collected').length;
  const before = collections();
  process.kill(server.pid, 'SIGUSR2');
  for (let tries = 0; collections() === before; tries += 1) {
    if (tries > 500) throw new Error('nothing was collected');
    await new Promise((again) => setTimeout(again, 20));
  }
  const { text } = await request(server.baseUrl, { path: '/metrics' });
  const gauge = (name: string): number => {
    const value = new RegExp(`^\\S*${name} (\\S+)$`, 'm').exec(text)?.[1];
    if (value === undefined) throw new Error(`no ${name} in the metrics`);
    return Number(value);
  };
  return gauge('nodejs_heap_size_used_bytes') + gauge('nodejs_external_memory_bytes');
}

/** Resident memory of a process in bytes. */
export function rssOf(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kilobytes === undefined) throw new Error(`no memory of ${pid}`);
  return Number(kilobytes) * 1024;
}
