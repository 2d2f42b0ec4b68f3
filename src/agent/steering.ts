import { HumanMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { createMiddleware } from 'langchain';
import type { RunRequest, SteerMessage } from './agent-runner.ts';

/** Messages of the user's that come while an answer is being made (docs/PROTOCOL.md section 2, `steer`). */

/** Providers are never sent this key. */
const STEERED_KEY = 'holdfast_steered';

export function steeredMessage({ messageId, text }: SteerMessage): HumanMessage {
  const additional_kwargs = { [STEERED_KEY]: messageId };
  // Clients make these ids: this one is no other message's, whatever they send.
  return new HumanMessage({ id: `steered:${messageId}`, content: text, additional_kwargs });
}

/** Undefined: it is another message. */
export function steeredBy(message: unknown): SteerMessage | undefined {
  if (!HumanMessage.isInstance(message)) return undefined;
  const messageId = message.additional_kwargs[STEERED_KEY];
  return typeof messageId === 'string' ? { messageId, text: message.text } : undefined;
}

/** A message that the answer, or a sub-agent's task, is about: limits of one answer count from there. */
export function isQuestion(message: BaseMessage): boolean {
  return HumanMessage.isInstance(message) && !steeredBy(message);
}

/** `heard`: ids. */
export function notHeard(
  steers: readonly SteerMessage[],
  heard: { has(messageId: string): boolean },
): SteerMessage[] {
  return steers.filter(({ messageId }) => !heard.has(messageId));
}

/** Before each model call the agent hears what came since. That it did is part of the checkpoint, and of nothing else. */
export function steeringMiddleware(steers: RunRequest['steers']) {
  return createMiddleware({
    name: 'Steering',
    async beforeModel({ messages }) {
      const heard = new Set(messages.map((message) => steeredBy(message)?.messageId ?? ''));
      const fresh = notHeard(await steers(), heard);
      return fresh.length > 0 ? { messages: fresh.map(steeredMessage) } : undefined;
    },
  });
}
