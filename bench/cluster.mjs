#!/usr/bin/env node
/**
 * npm run bench:cluster [-- --rounds=5 --only=<target;…> --workloads=<name,…> --small --local]
 * What an event costs across replicas that share a Redis, beside resumable-stream and two EVALs per token on the same kind
 * of Redis in the same run: every process apart, rounds interleaved, medians. Needs redis-server on the PATH and a MongoDB
 * (MONGODB_URI).
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { TARGETS } from './lib/cluster-targets.mjs';
import { scales, WARM_UP, workloads } from './lib/cluster-workloads.mjs';
import { goals } from './lib/cluster-goals.mjs';
import { Child } from './lib/proc.mjs';
import { median } from './lib/workloads.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const options = Object.fromEntries(
  process.argv.slice(2).map((arg) => arg.replace(/^--/, '').split('=')),
);
const rounds = Number(options.rounds ?? 5);
const pick = (all, wanted, between) =>
  wanted ? all.filter((name) => wanted.split(between).includes(name)) : all;
const all = workloads('small' in options ? scales.small : scales.full);
const measured = Object.keys(all).filter((name) => name !== WARM_UP);
const chosen = pick(measured, options.workloads, ',');
const targets = pick(Object.keys(TARGETS), options.only, ';').filter((name) =>
  chosen.some((workload) => all[workload].targets.includes(name)),
);

async function measure(name) {
  const target = await TARGETS[name]();
  const client = new Child(here('./lib/load-client.mjs'));
  const figures = {};
  try {
    await client.next('ready');
    await all[WARM_UP].run({ target, client });
    for (const workload of chosen.filter((each) => all[each].targets.includes(name)))
      figures[workload] = await all[workload].run({ target, client });
    return figures;
  } finally {
    await client.stop();
    await target.stop();
  }
}

function summary(runs) {
  const result = {};
  for (const workload of chosen) {
    for (const name of all[workload].targets.filter((each) => targets.includes(each))) {
      const each = runs.map((run) => run[name][workload]);
      const figures = Object.keys(each[0]).map((key) => [key, median(each.map((it) => it[key]))]);
      (result[workload] ??= {})[name] = Object.fromEntries(figures);
    }
  }
  return result;
}

const shown = (value) => (value === undefined ? '' : String(Number(value.toPrecision(3))));

function table(medians) {
  const lines = [];
  for (const [workload, byTarget] of Object.entries(medians)) {
    const keys = [...new Set(Object.values(byTarget).flatMap((figures) => Object.keys(figures)))];
    lines.push('', `## ${workload}`, '', `| | ${Object.keys(byTarget).join(' | ')} |`);
    lines.push(
      `| - |${Object.keys(byTarget)
        .map(() => ' -: |')
        .join('')}`,
    );
    for (const key of keys) {
      const cells = Object.values(byTarget).map((figures) => shown(figures[key]));
      lines.push(`| ${key} | ${cells.join(' | ')} |`);
    }
  }
  return lines.join('\n');
}

const git = (...args) =>
  execFileSync('git', args, { cwd: here('..') })
    .toString()
    .trim();
const at = new Date().toISOString();
const local = 'local' in options ? '.local' : '';
const file = here(`./results/${at.slice(0, 19).replaceAll(':', '')}.cluster${local}.json`);
const runs = [];
/** Of the machine, at the start of each round: others on it are in the figures. */
const loads = [];

/** After each round, so that a run which is cut off leaves what it measured. */
function keep() {
  const medians = summary(runs);
  const result = {
    at,
    cpu: cpus()[0].model,
    cores: cpus().length,
    node: process.version,
    redis: execFileSync('redis-server', ['--version']).toString().trim(),
    commit: git('rev-parse', 'HEAD'),
    loads,
    command: ['npm run bench:cluster --', ...process.argv.slice(2)].join(' '),
    rounds: runs.length,
    goals: goals(medians),
    medians,
    runs,
  };
  mkdirSync(here('./results'), { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

let result;
for (let round = 0; round < rounds; round += 1) {
  const run = {};
  loads.push(loadavg()[0]);
  for (const name of targets) {
    run[name] = await measure(name);
    console.log(`round ${round + 1}/${rounds}: ${name}`);
  }
  runs.push(run);
  result = keep();
}
const met = result.goals.map(
  ({ id, what, value, goal, met: yes }) =>
    `${yes ? 'met   ' : 'MISSED'} ${id} ${what}: ${shown(value)} (goal ${goal})`,
);
console.log(`${table(result.medians)}\n\n${met.join('\n')}\n\n${file}`);
