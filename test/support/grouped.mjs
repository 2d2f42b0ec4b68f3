import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * Each suite loads the product and its libraries anew, which takes small ones longer than their tests. Where a run must
 * be short (GROUPED=1, as in .ci/run) small suites that keep to themselves are loaded together: one generated suite
 * imports some of them. Every test is run and counted as ever, and fails with the place in its own file.
 */
const FOLDERS = ['unit', 'client', 'integration/http', 'integration/agent', 'e2e/protocols'];
/** Those that take long by themselves stay apart, so that no worker is left with one at the end. */
const LONGEST = 300;
const SIZE = 6;

/** Hooks and settings of a whole file would be those of its group. */
const WHOLE_FILE =
  /^(?:(?:before|after)(?:Each|All)\(|jest\.|await |process\.)|process\.env\[[^\]]+\] (?:\?\?)?=/m;

function* suitesIn(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* suitesIn(path);
    else if (entry.name.endsWith('.test.ts') && keepsToItself(readFileSync(path, 'utf8'))) {
      yield path;
    }
  }
}

function keepsToItself(text) {
  return !WHOLE_FILE.test(text) && text.split('\n').length < LONGEST;
}

/** Writes the groups; patterns of what is not to be run by itself. `not`: patterns of the suites that are in no group. */
export function grouped(root, not) {
  // Groups of an earlier run may lie there.
  if (process.env.GROUPED !== '1') return ['/test/\\.groups/'];
  const test = join(root, 'test');
  const groups = join(test, '.groups');
  const left = (path) => !not.some((pattern) => new RegExp(pattern).test(path));
  const members = FOLDERS.map((folder) =>
    [...suitesIn(join(test, folder))].filter(left).toSorted((a, b) => (a < b ? -1 : 1)),
  );
  // Workers read the configuration too.
  if (process.env.JEST_WORKER_ID === undefined) {
    rmSync(groups, { recursive: true, force: true });
    for (const [index, paths] of members.entries()) {
      const folder = join(groups, FOLDERS[index]);
      mkdirSync(folder, { recursive: true });
      for (let from = 0; from < paths.length; from += SIZE) {
        const imports = paths
          .slice(from, from + SIZE)
          .map((path) => `import '${relative(folder, path)}';\n`);
        writeFileSync(join(folder, `${from / SIZE + 1}.test.ts`), imports.join(''));
      }
    }
  }
  return members.flat().map((path) => `^${path.replaceAll('.', '\\.')}$`);
}
