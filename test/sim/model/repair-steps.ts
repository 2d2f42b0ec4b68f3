import { actor } from '../../support/jobs-sim.ts';
import type { Mechanisms } from './mechanisms.ts';
import type { Take, Turn } from './process-steps.ts';
import { append, fenceLog, move, releaseSlot, write } from './stores.ts';
import { takeover } from './takeover.ts';
import type { Gen, Step } from './world.ts';

/** What follows where a log lost entries: its driver gives up, a pause is told again, a finaliser starts anew. */

/** Does the log of a pause lack what the record says must be there? */
export function isShort({ job, log, told }: Gen): boolean {
  if (log === null || job.status !== 'paused') return false;
  if (log.length === 0) return true;
  return job.lease === null ? told !== job.revision : log.length < job.logged;
}

/** Nothing is left for an announcer to tell, or nothing that it may tell: that is for who repairs the log. */
export function isTold(m: Mechanisms, { job, log, told }: Gen): boolean {
  if (log === null || job.status !== 'paused') return false;
  return told === job.revision || (m.tellsWhole && log.length < job.logged);
}

/** The driver appends; where its log lost entries it can only give up. */
export function say({ m, gen, proc }: Turn, what: string, then: Step): Step | undefined {
  const appended = append(m, gen, proc, what);
  if (appended === 'lost') return 'giveUp';
  return appended === 'appended' ? then : undefined;
}

/** T12 by itself; then it sees to what the generation became. */
export const giveUp: Take = ({ m, setting, world, proc, gen }) => {
  const { fence } = proc;
  const before = gen.job.fence;
  const command = takeover(gen.job, setting, { now: 0, fence });
  if (!move(m, world, proc.gen, command)) return undefined;
  if (before !== fence) gen.fault = 'fenced driver gave up for another';
  const { job } = gen;
  if (job.status !== 'paused' && job.status !== 'finalizing') return undefined;
  releaseSlot(m, world, proc);
  proc.fence = job.fence;
  proc.verdict = 'none';
  return job.status === 'paused' ? 'announce' : 'seal';
};

/** T17 went before. The log is made again if it is gone, and read under the new fence. */
export const refence: Take = ({ m, proc, gen }) => {
  if (!fenceLog(m, gen, proc.fence)) return undefined;
  proc.head = gen.log?.length ?? 0;
  return isShort(gen) ? 'rewrite' : undefined;
};

/** One append of all that is missing. */
export const rewrite: Take = ({ m, proc, gen }) => {
  const { job, log } = gen;
  if (job.status !== 'paused' || log === null) return undefined;
  if ((m.logFence && gen.logFence > proc.fence) || log.length !== proc.head) return undefined;
  if (proc.head === 0) write(gen, proc, 'c');
  write(gen, proc, 's');
  write(gen, proc, `a${job.revision}`);
  gen.told = job.revision;
  return undefined;
};

/** The finaliser has the log. If that lost entries of this very fence it needs a new one. */
export const seal: Take = ({ m, proc, gen }) => {
  const { job } = gen;
  if (!fenceLog(m, gen, proc.fence)) return undefined;
  if (gen.log?.length === 0) write(gen, proc, 'c');
  proc.head = gen.log?.length ?? 0;
  const short = job.status === 'finalizing' && gen.ends.length === 0 && proc.head < job.logged;
  if (!short) return 'message';
  return m.refences ? 'reseal' : 'mend';
};

export const reseal: Take = ({ m, world, proc, gen }) => {
  const { fence } = proc;
  const command = { type: 'take_finalising' as const, actor: actor(), fence };
  if (!move(m, world, proc.gen, command)) return undefined;
  proc.fence = gen.job.fence;
  return 'mend';
};

export const mend: Take = ({ m, proc, gen }) => {
  if (!fenceLog(m, gen, proc.fence)) return undefined;
  return append(m, gen, proc, 's') === 'appended' ? 'message' : undefined;
};
