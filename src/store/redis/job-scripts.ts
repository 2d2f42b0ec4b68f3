import { firstJob, insertReply, isDeleted, jobsIn, storeResult } from './job-replies.ts';
import { redisScript } from './script.ts';
import { JOB_BY_KEY } from './scripts/job-by-key.ts';
import { JOB_DELETE } from './scripts/job-delete.ts';
import { JOB_DROP_LOG } from './scripts/job-drop-log.ts';
import { JOB_EARLIEST } from './scripts/job-earliest.ts';
import { JOB_INSERT } from './scripts/job-insert.ts';
import { JOB_RANGE } from './scripts/job-range.ts';
import { JOB_REPLACE } from './scripts/job-replace.ts';

const nothing = (): void => {};

/** The commands of the job store that are scripts; their KEYS and ARGV are told in their files. */
export const JOB_SCRIPTS = {
  insert: redisScript(JOB_INSERT, insertReply),
  replace: redisScript(JOB_REPLACE, storeResult),
  delete: redisScript(JOB_DELETE, isDeleted),
  dropLog: redisScript(JOB_DROP_LOG, nothing),
  byKey: redisScript(JOB_BY_KEY, firstJob),
  range: redisScript(JOB_RANGE, jobsIn),
  earliest: redisScript(JOB_EARLIEST, jobsIn),
} as const;
