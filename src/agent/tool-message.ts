import { ToolMessage } from '@langchain/core/messages';
import { z } from 'zod';
import { jsonObjectSchema, toolResultStatusSchema } from '../stream/message.ts';
import type { ToolResultStatus } from '../stream/message.ts';
import type { JsonObject } from '../lib/json.ts';
import type { ToolAttachment, ToolResult } from './agent-runner.ts';
import { truncateOutput } from './output.ts';

/** LangGraph knows two states of a tool message; ours travels beside them. Providers are never sent this key. */
const STATUS_KEY = 'holdfast_status';
const ATTACHMENTS_KEY = 'holdfast_attachments';
const attachmentsSchema = z.array(
  z.object({ name: z.string(), mediaType: z.string(), url: z.string() }),
);

export function toolMessage(
  call: { id: string; name: string },
  { status, output, attachments = [] }: ToolResult,
): ToolMessage {
  return new ToolMessage({
    id: `tool_${call.id}`,
    tool_call_id: call.id,
    name: call.name,
    content: output,
    status: status === 'ok' || status === 'responded' ? 'success' : 'error',
    additional_kwargs: {
      [STATUS_KEY]: status,
      ...(attachments.length > 0 && { [ATTACHMENTS_KEY]: attachments }),
    },
  });
}

function statusOf(message: ToolMessage): ToolResultStatus {
  const ours = toolResultStatusSchema.safeParse(message.additional_kwargs[STATUS_KEY]);
  if (ours.success) return ours.data;
  return message.status === 'error' ? 'error' : 'ok';
}

function outputOf({ content }: ToolMessage): string {
  if (typeof content === 'string') return content;
  const only = content.length === 1 ? content[0] : undefined;
  if (only?.type === 'text' && typeof only['text'] === 'string') return only['text'];
  return JSON.stringify(content);
}

/** What the call showed to the user. */
export function attachmentsOf(message: ToolMessage): readonly ToolAttachment[] {
  return attachmentsSchema.safeParse(message.additional_kwargs[ATTACHMENTS_KEY]).data ?? [];
}

/** Without what it showed. */
export function resultOf(message: ToolMessage): Pick<ToolResult, 'status' | 'output'> {
  return { status: statusOf(message), output: truncateOutput(outputOf(message)) };
}

/** Arguments as JSON; a provider's client may have left something else in them. */
export function jsonArgs(args: unknown): JsonObject {
  const parsed = jsonObjectSchema.safeParse(args);
  return parsed.success ? parsed.data : {};
}
