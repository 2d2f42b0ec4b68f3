import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';

function callsOf(message: BaseMessage): string[] {
  return AIMessage.isInstance(message) ? (message.tool_calls ?? []).map(({ id = '' }) => id) : [];
}

/** What a strict provider would refuse in a history, as sentences; none where all is well. */
export function providerFaults(messages: readonly BaseMessage[]): string[] {
  const faults: string[] = [];
  const said = messages.filter((message) => !SystemMessage.isInstance(message));
  if (!HumanMessage.isInstance(said[0])) faults.push('the user does not speak first');
  let open = new Set<string>();
  let last = '';
  for (const [at, message] of said.entries()) {
    if (ToolMessage.isInstance(message)) {
      if (!open.delete(message.tool_call_id)) faults.push(`${at}: a result of no call`);
      last = 'tool';
      continue;
    }
    if (open.size > 0) faults.push(`${at}: ${open.size} calls without a result`);
    if (last === message.type) faults.push(`${at}: two of ${message.type} in a row`);
    open = new Set(callsOf(message));
    last = message.type;
  }
  return open.size > 0 ? [...faults, 'calls at the end without a result'] : faults;
}
