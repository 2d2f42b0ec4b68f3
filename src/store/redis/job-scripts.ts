import { readFileSync } from 'node:fs';
import { insertReply, jobOrNone, jobsIn, storeResult } from './job-replies.ts';
import { redisScript } from './script.ts';

const lua = (name: string): string =>
  readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');

const ignored = (): void => {};

/** The commands of the job store that are scripts; KEYS and ARGV are in the head of each file. */
export const JOB_SCRIPTS = {
  insert: redisScript(lua('job-insert'), insertReply),
  replace: redisScript(lua('job-replace'), storeResult),
  delete: redisScript(lua('job-delete'), ignored),
  dropLog: redisScript(lua('job-drop-log'), ignored),
  byKey: redisScript(lua('job-by-key'), jobOrNone),
  range: redisScript(lua('job-range'), jobsIn),
  earliest: redisScript(lua('job-earliest'), jobsIn),
} as const;
