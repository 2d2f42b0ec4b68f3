import { availableParallelism } from 'node:os';
import { grouped } from './test/support/grouped.mjs';
import { notToday } from './test/support/rotation.mjs';

const waiting = notToday();

export default {
  // On two cores jest would take one; much of a run is waiting for servers, leases and stores.
  maxWorkers: Math.max(3, availableParallelism() - 1),
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' }, module: { type: 'es6' } },
    ],
  },
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', ...waiting, ...grouped(import.meta.dirname, waiting)],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  setupFilesAfterEnv: ['<rootDir>/test/support/leaks.ts'],
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
  reporters: ['default', '<rootDir>/test/support/count-reporter.mjs'],
  // For a machine with two cores and three workers: what hangs is found all the same.
  testTimeout: 30_000,
};
