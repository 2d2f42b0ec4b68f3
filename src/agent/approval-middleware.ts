import { AIMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { interrupt } from '@langchain/langgraph';
import { createMiddleware } from 'langchain';
import type { CallPolicy } from './agent-runner.ts';
import { decisionsFor } from './interrupt-value.ts';
import type { ApprovalValue } from './interrupt-value.ts';
import { resultsInOrder, settleCalls } from './settle-calls.ts';
import { refusals } from './tool-guard.ts';
import { jsonArgs } from './tool-message.ts';
import type { ToolDefinition } from './tools.ts';

export interface ApprovalDeps {
  tools: readonly ToolDefinition[];
  policy: CallPolicy;
  /**
   * What the checkpoint has been asking since before this segment, by the namespace of the asking step. A step that
   * runs again takes its rulings from there: a rule made meanwhile must not change what an answer covers.
   */
  asked: ReadonlyMap<string, ApprovalValue>;
  /** For one answer; any number where not given. */
  maxToolCalls?: number | undefined;
}

type Rulings = Pick<ApprovalValue, 'requests' | 'denied'>;

/**
 * Holds the calls of a batch that need a person, all in one interrupt, before any call of the batch runs. In the end
 * each call has exactly one result: its own, or the one that says why it did not run.
 */
export function approvalMiddleware({ tools, policy, asked, maxToolCalls }: ApprovalDeps) {
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  const refusalOf = refusals(tools, maxToolCalls);

  async function rule(message: AIMessage, messages: BaseMessage[]): Promise<Rulings> {
    const rulings: Rulings = { requests: [], denied: {} };
    for (const { id = '', name, args: given } of message.tool_calls ?? []) {
      const tool = byName.get(name);
      // Nobody is asked about a call that can't run: the guard tells the model.
      if (!tool || refusalOf({ id, name, args: given }, messages) !== undefined) continue;
      const args = jsonArgs(given);
      const said = await policy({ name, effects: tool.effects, args });
      if (said.ruling === 'deny') rulings.denied[id] = said.reason;
      if (said.ruling !== 'ask') continue;
      const { ruling: _ruling, ...terms } = said;
      const argsSchema = tool.parameters;
      rulings.requests.push({ toolCallId: id, name, args, argsSchema, ...terms });
    }
    return rulings;
  }

  return createMiddleware({
    name: 'Approval',
    wrapModelCall: (request, handler) =>
      handler({ ...request, messages: resultsInOrder(request.messages) }),
    afterModel: {
      canJumpTo: ['model'],
      async hook({ messages }, { configurable }) {
        const message = messages.at(-1);
        if (!AIMessage.isInstance(message) || !message.tool_calls?.length) return undefined;
        const at = String(configurable?.['checkpoint_ns']);
        const { requests, denied } = asked.get(at) ?? (await rule(message, messages));
        if (requests.length === 0 && Object.keys(denied).length === 0) return undefined;
        const value: ApprovalValue = { kind: 'tool_approval', at, requests, denied };
        const answer: { decisions: [] } | ReturnType<ReturnType<typeof decisionsFor>['parse']> =
          requests.length === 0
            ? { decisions: [] }
            : interrupt(value, { responseSchema: decisionsFor(value) });
        const settled = settleCalls(message, { denied, decisions: answer.decisions });
        if (settled.messages.length === 0) return undefined;
        return { messages: settled.messages, ...(settled.over ? { jumpTo: 'model' } : {}) };
      },
    },
  });
}
