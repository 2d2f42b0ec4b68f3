// Plain Node without a dependency: this runs before anything is installed.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A failure that is told in one sentence. */
export class HouseError extends Error {}

export function say(text) {
  process.stdout.write(`holdfast: ${text}\n`);
}

/** Runs `main`; a HouseError ends the process with its sentence and no stack trace. */
export async function inHouse(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof HouseError)) throw error;
    process.stderr.write(`holdfast: ${error.message}\n`);
    process.exitCode = 1;
  }
}

export function checkNode(version) {
  const [major, minor] = version.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new HouseError(`Node 20.19 or newer is needed, this is ${version}. See https://nodejs.org`);
}

function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : undefined;
}

function packagesOf(lockPath) {
  return JSON.parse(readFileSync(lockPath, 'utf8')).packages;
}

/** npm leaves out what this platform has no use for. */
function mayMiss(entry) {
  return entry.optional === true || entry.devOptional === true;
}

/** Times lie after a clone, a copy or a restored cache: an older node_modules that holds what the lock says is good. */
function holdsTheLock(lockPath, installedPath) {
  const wanted = packagesOf(lockPath);
  const installed = packagesOf(installedPath);
  const same = (name) =>
    installed[name]?.version === wanted[name]?.version &&
    installed[name]?.integrity === wanted[name]?.integrity;
  return (
    Object.keys(installed).every(same) &&
    Object.entries(wanted).every(
      ([name, entry]) => name === '' || same(name) || (!(name in installed) && mayMiss(entry)),
    )
  );
}

/** Why packages must be installed, or undefined. npm writes its own lock into node_modules last. */
export function whyInstall(root) {
  const lock = join(root, 'package-lock.json');
  const installed = join(root, 'node_modules', '.package-lock.json');
  const installedAt = modified(installed);
  if (installedAt === undefined) return 'node_modules is missing';
  if (installedAt >= modified(lock) || holdsTheLock(lock, installed)) return undefined;
  return 'node_modules is older than package-lock.json';
}

/** The newest time under a directory. Directories count: that is where a deleted file shows. */
function newest(path) {
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.reduce((latest, entry) => {
    const child = join(path, entry.name);
    return Math.max(latest, entry.isDirectory() ? newest(child) : modified(child));
  }, modified(path));
}

const stampOf = (root) => join(root, 'dist', '.built');

/** Why the sources must be compiled, or undefined. The stamp bears the time at which the last good build began. */
export function whyBuild(root) {
  const built = modified(stampOf(root));
  if (built === undefined) return 'dist is missing';
  const configs = ['tsconfig.json', 'tsconfig.build.json'].map((name) =>
    modified(join(root, name)),
  );
  return Math.max(newest(join(root, 'src')), ...configs) > built
    ? 'dist is older than the sources'
    : undefined;
}

function run(command, args) {
  const windows = process.platform === 'win32';
  return spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', shell: windows }).status === 0;
}

export function install() {
  const why = whyInstall(ROOT);
  if (why === undefined) return;
  say(`${why}: running npm ci (half a minute or so)`);
  // The compiler is a dev dependency: NODE_ENV=production must not leave it out.
  if (run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'])) return;
  throw new HouseError('npm ci failed, see above. Is the package registry reachable?');
}

export function build() {
  const why = whyBuild(ROOT);
  if (why === undefined) return;
  say(`${why}: building`);
  const began = new Date();
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const done = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (done.status !== 0) throw new HouseError('the build failed, see above.');
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  writeFileSync(stampOf(ROOT), '');
  utimesSync(stampOf(ROOT), began, began);
}
