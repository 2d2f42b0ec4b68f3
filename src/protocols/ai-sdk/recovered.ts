import type { EventOf } from '../../stream/events.ts';
import type { MessagePart, SteeredPart, ToolCallPart } from '../../stream/message.ts';
import { steeredOf } from './chunks.ts';
import type { Draft, TextKind, Told } from './draft.ts';
import { ASK_USER, resultOfPart, WITHDRAWN } from './tool-parts.ts';

/**
 * After a crash `state` stands, and the rest was withdrawn. Here nothing can be taken back: words that are gone stay
 * with clients that have them until they load the messages again, calls that are gone end as errors, and what stands
 * and was not told yet is told in new parts.
 */
export function retellWhatStands(draft: Draft, { state, calls = [] }: EventOf<'segment'>): void {
  if (!state) return;
  const { content, agentId, model } = state.message;
  // A hand-off may have been withdrawn.
  draft.say({ type: 'message-metadata', messageMetadata: { agentId, model } });
  const standing = new Set(content.map((part) => 'toolCallId' in part && part.toolCallId));
  for (const { toolCallId } of draft.unresolved) {
    if (standing.has(toolCallId)) continue;
    draft.tellResult(toolCallId, { type: 'tool-output-error', errorText: WITHDRAWN });
  }
  draft.dropText();
  const before = [...draft.told.values()];
  const told = new Map<number, Told>();
  for (const [index, part] of content.entries()) {
    if (part.type === 'tool_call' || part.type === 'steered') {
      if (part.type === 'tool_call') retellCall(draft, part);
      else draft.tellSteered(steeredOf(part));
      continue;
    }
    const stands = retoldOf(part, calls[index] ?? undefined, before);
    told.set(index, stands.told);
    if (stands.rest !== '') sayText(draft, index, stands);
  }
  draft.closeText();
  draft.retell(told);
  draft.action = state.pendingAction;
}

interface Stands {
  told: Told;
  /** What the client does not have yet. */
  rest: string;
}

/** Finds the part among those told before, which it takes from the list: places change, the call that made it does not. */
function retoldOf(
  part: Exclude<MessagePart, ToolCallPart | SteeredPart>,
  call: string | undefined,
  before: Told[],
): Stands {
  const kind = part.type;
  const path = part.path ?? [];
  const at = before.findIndex((it) => it.kind === kind && it.call === call);
  const [known] = at === -1 ? [] : before.splice(at, 1);
  if (part.type === 'attachment') return { told: { kind, call, path, length: 0 }, rest: '' };
  const { text } = part;
  const rest = text.slice(known?.length ?? 0);
  return { told: { kind, call, path, length: text.length }, rest };
}

function sayText(draft: Draft, part: number, { told, rest }: Stands): void {
  const kind: TextKind = told.kind === 'reasoning' ? 'reasoning' : 'text';
  draft.closeText();
  draft.retell(new Map());
  draft.delta({ kind, part, text: rest, path: told.path, call: told.call });
}

function retellCall(draft: Draft, part: ToolCallPart): void {
  const { toolCallId, name, args, status, path = [] } = part;
  if (!draft.call(toolCallId)) draft.announce({ toolCallId, name, path });
  if (status === 'streaming') return;
  draft.setArgs(toolCallId, args);
  const result = resultOfPart(part);
  if (result) draft.tellResult(toolCallId, result);
  else if (draft.call(toolCallId)?.told !== true && name !== ASK_USER) {
    draft.tellInput(toolCallId, {});
  }
}
