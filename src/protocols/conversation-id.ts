import { createHash } from 'node:crypto';
import type { ConversationStore } from '../stream/conversation-store.ts';
import type { Owner } from '../stream/job.ts';

/**
 * The conversation that a client's own id names: one of its owner's that has this very id, else one whose id follows
 * from the owner and the client's id. Two owners with the same id never meet, and no table has to remember it.
 */
export async function conversationOf(
  conversations: Pick<ConversationStore, 'get'>,
  owner: Owner,
  clientId: string,
): Promise<string> {
  const { tenantId, userId } = owner;
  const known = await conversations.get(clientId);
  if (known && known.owner.tenantId === tenantId && known.owner.userId === userId) return clientId;
  const text = JSON.stringify([tenantId, userId, clientId]);
  return `conv_x${createHash('sha256').update(text).digest('hex').slice(0, 40)}`;
}
