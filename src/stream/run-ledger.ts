import type { ToolLedger } from '../agent/agent-runner.ts';
import { hashOf } from '../lib/json.ts';
import type { ApprovalLifecycle } from '../hitl/approval-lifecycle.ts';
import { carryOut } from './job-command.ts';
import type { RunningJob } from './job.ts';
import type { JobStore } from './job-store.ts';
import { FencedError } from './log-writer.ts';

/** The ledger of tool calls as one driver writes it (T6, T7). Reads leave no trace: to run them again changes nothing. */
export function createRunLedger(
  deps: {
    jobs: Pick<JobStore, 'get' | 'compareAndSet'>;
    approvals: Pick<ApprovalLifecycle, 'executed'>;
  },
  attempt: RunningJob,
): ToolLedger {
  const { jobs, approvals } = deps;
  const { generationId, fence } = attempt;
  return {
    async start({ toolCallId, name, effects, args }) {
      if (effects === 'read') return { go: 'run' };
      const entry = { toolCallId, name, effects, args, argsHash: hashOf(args) };
      const started = await carryOut(jobs, generationId, { type: 'tool_start', fence, entry });
      if (started.outcome === 'moved') return { go: 'run' };
      const { job } = started;
      const known = job?.ledger.find((it) => it.toolCallId === toolCallId);
      if (job?.status === 'running' && job.fence === fence && known?.result) {
        return { go: 'reuse', result: known.result };
      }
      throw new FencedError(`the call may not run: ${started.reason}`);
    },

    async done(toolCallId, result) {
      const done = await carryOut(jobs, generationId, { type: 'tool_done', toolCallId, result });
      const entry = done.job?.ledger.find((it) => it.toolCallId === toolCallId);
      if (done.outcome !== 'moved' || !entry) return;
      await approvals.executed(done.job, { toolCallId, args: entry.args, status: result.status });
    },
  };
}
