#!/usr/bin/env node
/**
 * npm run bench [-- --rounds=5 --only=<target,…> --workloads=<name,…> --local]
 * What an event costs on its way from the model to a reader, beside a bare node:http loop, a naive Express loop and
 * better-sse: the same load in the same run, every server in its own process, rounds interleaved, medians.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Child } from './lib/proc.mjs';
import { TARGETS } from './lib/targets.mjs';
import { median, WORKLOADS } from './lib/workloads.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const options = Object.fromEntries(
  process.argv.slice(2).map((arg) => arg.replace(/^--/, '').split('=')),
);
const rounds = Number(options.rounds ?? 5);
const pick = (all, wanted) =>
  wanted ? all.filter((name) => wanted.split(',').includes(name)) : all;
const targets = pick(Object.keys(TARGETS), options.only);
const workloads = pick(Object.keys(WORKLOADS), options.workloads);

async function measure(name) {
  const target = await TARGETS[name]();
  const client = new Child(here('./lib/load-client.mjs'));
  const figures = {};
  try {
    await client.next('ready');
    for (const workload of workloads)
      figures[workload] = await WORKLOADS[workload]({ target, client });
    return figures;
  } finally {
    await client.stop();
    await target.stop();
  }
}

function summary(runs) {
  const result = {};
  for (const workload of workloads) {
    for (const name of targets) {
      const each = runs.map((run) => run[name][workload]).filter(Boolean);
      if (each.length === 0) continue;
      const keys = Object.keys(each[0]);
      const figures = keys.map((key) => [key, median(each.map((figure) => figure[key]))]);
      (result[workload] ??= {})[name] = Object.fromEntries(figures);
    }
  }
  return result;
}

function table(medians) {
  const lines = [];
  for (const [workload, byTarget] of Object.entries(medians)) {
    lines.push('', workload);
    for (const [name, figures] of Object.entries(byTarget)) {
      const shown = Object.entries(figures).map(
        ([key, value]) => `${key} ${Number(value.toPrecision(3))}`,
      );
      lines.push(`  ${name.padEnd(16)} ${shown.join('  ')}`);
    }
  }
  return lines.join('\n');
}

const runs = [];
for (let round = 0; round < rounds; round += 1) {
  const run = {};
  for (const name of targets) {
    run[name] = await measure(name);
    console.log(`round ${round + 1}/${rounds}: ${name}`);
  }
  runs.push(run);
}
const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: here('..') })
  .toString()
  .trim();
const result = {
  at: new Date().toISOString(),
  cpu: cpus()[0].model,
  cores: cpus().length,
  node: process.version,
  commit,
  command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
  rounds,
  medians: summary(runs),
  runs,
};
mkdirSync(here('./results'), { recursive: true });
const file = here(
  `./results/${result.at.slice(0, 19).replaceAll(':', '')}${'local' in options ? '.local' : ''}.json`,
);
writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
console.log(`${table(result.medians)}\n\n${file}`);
