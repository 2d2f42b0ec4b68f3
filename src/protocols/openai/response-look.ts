import { z } from 'zod';
import { pendingActionSchema } from '../../stream/pending-action.ts';
import type { Encoder } from '../encoder.ts';

/** What a generation is, and asked so far: enough to go on from it. */
export const lookSchema = z.object({
  conversationId: z.string(),
  messageId: z.string(),
  agentId: z.string(),
  actions: z.array(pendingActionSchema),
  over: z.boolean(),
});
export type Look = z.infer<typeof lookSchema>;

export const LOOK: Encoder<Look> = {
  initial: { conversationId: '', messageId: '', agentId: '', actions: [], over: false },
  encode(state, { body }) {
    if (body.type === 'created') {
      const { conversationId, responseMessageId: messageId, agentId } = body;
      return { state: { ...state, conversationId, messageId, agentId }, frames: [] };
    }
    if (body.type === 'pending_action') {
      return { state: { ...state, actions: [...state.actions, body.action] }, frames: [] };
    }
    return { state: body.type === 'done' ? { ...state, over: true } : state, frames: [] };
  },
};
