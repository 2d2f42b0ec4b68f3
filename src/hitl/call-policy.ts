import type { CallPolicy } from '../agent/agent-runner.ts';
import type { RunSpec } from '../agent/run-spec.ts';
import type { Owner } from '../stream/job.ts';
import type { ApprovalStore } from './approval-store.ts';
import { covers } from './standing-rules.ts';
import { allowedDecisions, defaultsToNo, mayRemember, reasonFor, ruling } from './tool-policy.ts';

/** What the tools of one run may do: the frozen policies, loosened by the standing rules of the moment. */
export function createCallPolicy(
  run: { owner: Owner; conversationId: string; spec: RunSpec },
  approvals: Pick<ApprovalStore, 'rulesOf'>,
): CallPolicy {
  const { owner, conversationId, spec } = run;
  return async ({ name, effects, args, by }) => {
    const agentId = by?.agentId ?? spec.agentId;
    const policy = by ? { ...spec.policy, agent: by.policy } : spec.policy;
    const said = ruling(policy, { name, effects });
    const reason = reasonFor(policy, name);
    if (said === 'run') return { ruling: 'run' };
    if (said === 'deny')
      return { ruling: 'deny', reason: reason ?? 'The policy does not allow this tool.' };
    const remember = mayRemember(policy, name);
    if (remember) {
      const rules = await approvals.rulesOf(owner);
      if (rules.some((rule) => covers(rule, { name, args, agentId, conversationId })))
        return { ruling: 'run' };
    }
    return {
      ruling: 'ask',
      ...(reason !== undefined && { description: reason }),
      allowedDecisions: allowedDecisions(policy, name),
      mayRemember: remember,
      defaultToNo: defaultsToNo(policy, name),
    };
  };
}
