import type { Json, JsonObject } from '../../lib/json.ts';
import type { SteeredPart } from '../../stream/message.ts';
import type { ProtocolFrame } from '../encoder.ts';

/**
 * The frames of the AI SDK's UI message stream v1 that we send (`uiMessageChunkSchema` of `ai`, and
 * https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol).
 */

/** What is ours in a part: `path` where a sub-agent made it, `actionId` where it is answered, `name` of a file. */
export type ProviderMetadata = { holdfast: JsonObject };

interface ToolFields {
  toolCallId: string;
  toolName: string;
  providerMetadata?: ProviderMetadata;
}

export type FinishReason = 'stop' | 'tool-calls' | 'error';

export type Chunk =
  | { type: 'start'; messageId: string; messageMetadata?: JsonObject }
  | { type: 'start-step' | 'finish-step' }
  | { type: 'text-start' | 'reasoning-start'; id: string; providerMetadata?: ProviderMetadata }
  | { type: 'text-delta' | 'reasoning-delta'; id: string; delta: string }
  | { type: 'text-end' | 'reasoning-end'; id: string }
  | ({ type: 'tool-input-start' } & ToolFields)
  | { type: 'tool-input-delta'; toolCallId: string; inputTextDelta: string }
  | ({ type: 'tool-input-available'; input: JsonObject } & ToolFields)
  | {
      type: 'tool-approval-request';
      approvalId: string;
      toolCallId: string;
      approvalDescriptor: JsonObject;
    }
  | { type: 'tool-output-available'; toolCallId: string; output: Json }
  | { type: 'tool-output-error'; toolCallId: string; errorText: string }
  | { type: 'tool-output-denied'; toolCallId: string }
  | { type: 'file'; url: string; mediaType: string; providerMetadata?: ProviderMetadata }
  | { type: `data-${string}`; data: JsonObject; id?: string; transient?: true }
  | { type: 'message-metadata'; messageMetadata: JsonObject }
  | { type: 'error'; errorText: string }
  | { type: 'abort'; reason: string }
  | { type: 'finish'; finishReason: FinishReason; messageMetadata?: JsonObject };

export const DONE: ProtocolFrame = { data: '[DONE]' };

export function frameOf(chunk: Chunk): ProtocolFrame {
  return { data: JSON.stringify(chunk) };
}

/** A part as clients keep it: by its id they take a repeat for the same one. */
export function steeredOf({ messageId, text, heard }: Omit<SteeredPart, 'type'>) {
  const data = { messageId, text, heard };
  return { type: 'data-steered', id: messageId, data } satisfies Chunk;
}

/** Nothing where there is nothing to say of it. */
export function metadataOf(ours: JsonObject): { providerMetadata?: ProviderMetadata } {
  return Object.keys(ours).length > 0 ? { providerMetadata: { holdfast: ours } } : {};
}
