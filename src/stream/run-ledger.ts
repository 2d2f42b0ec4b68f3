import type { ToolLedger } from '../agent/agent-runner.ts';
import { hashOf } from '../lib/json.ts';
import type { Clock } from '../lib/clock.ts';
import type { ApprovalLifecycle } from '../hitl/approval-lifecycle.ts';
import { carryOut } from './job-command.ts';
import type { RunningJob } from './job.ts';
import type { JobStore } from './job-store.ts';
import { FencedError } from './log-writer.ts';
import { persist } from './persist.ts';

/**
 * The ledger of tool calls as one driver writes it (T6, T7). Reads leave no trace: to run them again changes nothing.
 * While a store is out of reach a start waits as long as the run goes on, and a result as long as the process does.
 */
export function createRunLedger(
  deps: {
    jobs: Pick<JobStore, 'get' | 'compareAndSet'>;
    approvals: Pick<ApprovalLifecycle, 'executed'>;
    clock: Clock;
  },
  attempt: RunningJob,
  until: { run: AbortSignal; process: AbortSignal },
): ToolLedger {
  const { jobs, approvals, clock } = deps;
  const { generationId, fence } = attempt;
  /** Calls whose start is not this driver's next one to make: open at its claim, or started by it since. */
  const open = new Set(attempt.ledger.filter((it) => it.open).map((it) => it.toolCallId));
  return {
    async start({ toolCallId, name, effects, args }) {
      if (effects === 'read') return { go: 'run' };
      const entry = { toolCallId, name, effects, args, argsHash: hashOf(args) };
      let tries = 0;
      const started = await persist(
        () => {
          tries += 1;
          return carryOut(jobs, generationId, { type: 'tool_start', fence, entry });
        },
        { clock, signal: until.run },
      );
      const ours = started.outcome === 'refused' && tries > 1 && !open.has(toolCallId);
      open.add(toolCallId);
      if (started.outcome === 'moved') return { go: 'run' };
      const { job } = started;
      if (job?.status === 'running' && job.fence === fence) {
        const known = job.ledger.find((it) => it.toolCallId === toolCallId);
        if (known?.result) return { go: 'reuse', result: known.result };
        // An earlier try got through, and its answer did not.
        if (ours && started.reason === 'outcome_unknown') return { go: 'run' };
      }
      throw new FencedError(`the call may not run: ${started.reason}`);
    },

    async done(toolCallId, result) {
      const patience = { clock, signal: until.process };
      const command = { type: 'tool_done', toolCallId, result } as const;
      const done = await persist(() => carryOut(jobs, generationId, command), patience);
      const { job } = done;
      const entry = job?.ledger.find((it) => it.toolCallId === toolCallId);
      // Also where the write got through and its answer did not.
      if (!job || !entry?.result || hashOf(entry.result) !== hashOf(result)) return;
      const call = { toolCallId, args: entry.args, status: result.status };
      await persist(() => approvals.executed(job, call), patience);
    },
  };
}
