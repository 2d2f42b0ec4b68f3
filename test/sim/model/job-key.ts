import type { Job, LedgerEntry } from '../../../src/stream/job.ts';
import type { Resolution } from '../../../src/stream/pending-action.ts';

const entryKey = (entry: LedgerEntry): string =>
  `${entry.starts}${entry.open ? 'o' : '-'}${entry.result?.status ?? ''}`;

function resolutionKey(resolution: Resolution): string {
  const { verdict } = resolution;
  const decision = verdict && 'decisions' in verdict ? verdict.decisions[0]?.decision : '';
  return `${resolution.actionId}${resolution.outcome}${decision}${resolution.decidedBy ?? ''}`;
}

function stateKey(job: Job): string {
  switch (job.status) {
    case 'queued':
    case 'running':
      return job.answered?.action.actionId ?? '';
    case 'paused':
      return `${job.action.kind}${job.action.actionId}${job.answered?.action.actionId ?? ''}${job.lease ? 'l' : ''}${job.warnAt === null ? '' : 'w'}${job.logged}`;
    case 'finalizing':
      return `${job.outcome}${job.logged}`;
    case 'finished':
      return job.outcome;
    default:
      return job satisfies never;
  }
}

/**
 * What of a record can change what happens next. Left out: times (a lease is live or over, an expiry has come or
 * not: the world knows), names, the version (nobody but the sweeper keeps one between two steps), and how a job
 * came into the queue.
 */
export function jobKey(job: Job): string {
  return `${job.status}${job.lane.charAt(0)}${job.fence}.${job.attempts}.${job.revision}.${job.ledger.map(entryKey).join()}.${job.resolutions.map(resolutionKey).join()}.${job.steers?.length ?? 0}.${stateKey(job)}`;
}
