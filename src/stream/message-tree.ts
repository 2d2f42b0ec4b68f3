/** The tree that the messages of a conversation are: each names its parent. Pure. */

export interface Link {
  messageId: string;
  parentMessageId: string | null;
}

/** From the first message to `leaf`, or from where one is missing or comes again; [] where there is no such message. */
export function lineTo(links: readonly Link[], leaf: string): string[] {
  const parents = new Map(links.map((link) => [link.messageId, link.parentMessageId]));
  const line = new Set<string>();
  for (let id: string | null = leaf; id !== null && !line.has(id);) {
    const parent = parents.get(id);
    if (parent === undefined) break;
    line.add(id);
    id = parent;
  }
  return [...line].toReversed();
}

/**
 * The end of the newest branch that goes through this message, or of the one that the newest message is on: that need
 * not be an end, as a question may have been asked before the answer that it follows.
 */
export function newestLeaf(
  links: readonly Link[],
  through = links.at(-1)?.messageId,
): string | undefined {
  const newestChild = new Map(links.map((link) => [link.parentMessageId, link.messageId]));
  const seen = new Set<string>();
  let leaf = through;
  for (let next = leaf; next !== undefined && !seen.has(next);) {
    seen.add(next);
    leaf = next;
    next = newestChild.get(next);
  }
  return leaf;
}

/** Messages with the same parent, oldest first, by each of them. */
export function siblings(links: readonly Link[]): (messageId: string) => string[] {
  const parents = new Map(links.map((link) => [link.messageId, link.parentMessageId]));
  const children = new Map<string | null, string[]>();
  for (const { messageId, parentMessageId } of links) {
    const known = children.get(parentMessageId);
    if (known) known.push(messageId);
    else children.set(parentMessageId, [messageId]);
  }
  return (messageId) => children.get(parents.get(messageId) ?? null) ?? [];
}
