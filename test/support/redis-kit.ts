import type { Log } from '../../src/lib/log.ts';

export const silent: Log = { info() {}, warn() {}, error() {} };
