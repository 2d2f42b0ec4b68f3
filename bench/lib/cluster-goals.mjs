/** What this benchmark is to reach: `value` of the figures by workload and target, at most `goal`. */

/** 3,000 events a second, and 15,000, at which the figures to reach were found. */
const local = (at, target) => at['local 60x1'][target];
const remote = (at, target) => at['remote 60x1'][target];
const manyLocal = (at, target) => at['local 300x1'][target];
const manyRemote = (at, target) => at['remote 300x1'][target];
const replay = (at, target) => at['replay 10000'][target];
const ratio = (of, key, [ours, theirs]) => of(ours)[key] / of(theirs)[key];

/** Of a token's cost, at both loads. */
const costs = ({ id, what, goal, of, key, pair }) =>
  Object.entries(of).map(([load, figures]) => ({
    id,
    what: `${what}, ${load}`,
    goal,
    value: (at) => ratio((name) => figures(at, name), key, pair),
  }));
const onOwner = { '300 streams': manyLocal, '60 streams': local };
const onOther = { '300 streams': manyRemote, '60 streams': remote };

const GOALS = [
  ...costs({
    id: 'B1',
    what: 'local ÷ node:http, CPU',
    goal: 1.6,
    of: onOwner,
    key: 'cpu',
    pair: ['holdfast', 'node:http'],
  }),
  ...costs({
    id: 'B1',
    what: 'local ÷ two EVALs, CPU',
    goal: 0.4,
    of: onOwner,
    key: 'cpu',
    pair: ['holdfast', 'two EVALs'],
  }),
  ...costs({
    id: 'B1',
    what: 'local ÷ two EVALs, CPU of Redis',
    goal: 0.05,
    of: onOwner,
    key: 'cpuRedis',
    pair: ['holdfast', 'two EVALs'],
  }),
  ...costs({
    id: 'B2',
    what: 'remote ÷ resumable-stream, CPU',
    goal: 0.667,
    of: onOther,
    key: 'cpu',
    pair: ['holdfast', 'resumable-stream'],
  }),
  ...costs({
    id: 'B2',
    what: 'remote, stored first ÷ resumable-stream, CPU',
    goal: 0.667,
    of: onOther,
    key: 'cpu',
    pair: ['holdfast, stored first', 'resumable-stream'],
  }),
  {
    id: 'B2',
    what: 'remote fan-out 1x200 ÷ resumable-stream, CPU',
    goal: 0.667,
    value: (at) =>
      ratio((name) => at['remote 1x200'][name], 'cpu', ['holdfast', 'resumable-stream']),
  },
  {
    id: 'B5',
    what: 'replay on the other replica ÷ resumable-stream, CPU',
    goal: 0.5,
    value: (at) => ratio((name) => replay(at, name), 'nextCpu', ['holdfast', 'resumable-stream']),
  },
  {
    id: 'B5',
    what: 'replay on the other replica, ms',
    goal: 60,
    value: (at) => replay(at, 'holdfast').nextMs,
  },
  {
    id: 'B5',
    what: 'the first replay there, from Redis, ms',
    goal: 60,
    value: (at) => replay(at, 'holdfast').firstMs,
  },
  {
    id: 'B9',
    what: 'local p99 ÷ express',
    goal: 2,
    value: (at) => ratio((name) => local(at, name), 'p99Ms', ['holdfast', 'express']),
  },
  {
    id: 'B9',
    what: 'remote p50 ÷ resumable-stream',
    goal: 1.2,
    value: (at) => ratio((name) => remote(at, name), 'p50Ms', ['holdfast', 'resumable-stream']),
  },
  {
    id: 'B11',
    what: 'gaps and repeats of readers who were cut and changed the replica',
    goal: 0,
    value: (at) => at.churn.holdfast.gaps + at.churn.holdfast.repeats,
  },
  {
    id: 'B12',
    what: 'Redis commands per token',
    goal: 0.5,
    value: (at) => remote(at, 'holdfast').redisCommandsPerToken,
  },
  {
    id: 'B12',
    what: 'bytes to Redis ÷ payload',
    goal: 1.5,
    value: (at) =>
      remote(at, 'holdfast').redisBytesInPerToken / remote(at, 'holdfast').payloadBytesPerToken,
  },
];

/** One row per goal of which all figures were measured. */
export function goals(medians) {
  return GOALS.flatMap(({ id, what, goal, value: of }) => {
    const value = measured(() => of(medians));
    return value === undefined ? [] : [{ id, what, goal, value, met: value <= goal }];
  });
}

function measured(value) {
  try {
    return value();
  } catch {
    // TypeError: that workload or target was left out.
    return undefined;
  }
}
