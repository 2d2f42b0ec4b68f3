/**
 * An approval's id as clients hand it back: the action, whether it asks after a crash, and the call. Everything that
 * an answer does is looked up by it; what else a client says of the call is not read.
 */
export interface ApprovalId {
  actionId: string;
  kind: 'tool_approval' | 'recovery';
  toolCallId: string;
}

/** Our ids have no colon; a tool call's may. */
const FORM = /^([A-Za-z0-9_.-]{1,128}):([ar]):([^]{1,1000})$/;

export function formatApprovalId({ actionId, kind, toolCallId }: ApprovalId): string {
  return `${actionId}:${kind === 'recovery' ? 'r' : 'a'}:${toolCallId}`;
}

/** Undefined where the id is none of ours. */
export function parseApprovalId(text: string): ApprovalId | undefined {
  const [, actionId, kind, toolCallId] = FORM.exec(text) ?? [];
  if (actionId === undefined || toolCallId === undefined) return undefined;
  return { actionId, kind: kind === 'r' ? 'recovery' : 'tool_approval', toolCallId };
}
