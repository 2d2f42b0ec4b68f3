import type { Link } from '../../src/stream/message-tree.ts';

export type End = 'complete' | 'abort' | 'fail';

/** A message as the model knows it; `token` is all that it says. */
export interface TreeNode extends Link {
  role: 'user' | 'assistant';
  token: string;
  /** Of an answer. */
  end?: End;
}

/** The messages of one conversation, in the order in which they came: what the server is held against. */
export class TurnTree {
  readonly conversationId: string;
  readonly nodes: TreeNode[] = [];

  constructor(conversationId: string) {
    this.conversationId = conversationId;
  }

  add(node: TreeNode): void {
    if (!this.nodes.some(({ messageId }) => messageId === node.messageId)) this.nodes.push(node);
  }

  find(messageId: string | null): TreeNode | undefined {
    return this.nodes.find((node) => node.messageId === messageId);
  }

  /** From the first message to this one. */
  branch(leaf: string | null): TreeNode[] {
    const node = this.find(leaf);
    return node ? [...this.branch(node.parentMessageId), node] : [];
  }

  /** The user's message that a message answers, or is. */
  question(node: TreeNode): TreeNode {
    const above = this.find(node.parentMessageId);
    if (node.role === 'user' || !above) return node;
    return this.question(above);
  }

  /** What a model hears of a branch, word by word, and from whom. */
  heard(leaf: string): string[] {
    const branch = this.branch(leaf);
    return branch
      .filter(({ end }, index) => end !== 'fail' || branch[index + 1]?.role !== 'user')
      .map(({ role, token }) => `${role === 'user' ? 'human' : 'ai'}:${token}`);
  }

  siblings({ parentMessageId }: Link): string[] {
    return this.nodes
      .filter((node) => node.parentMessageId === parentMessageId)
      .map(({ messageId }) => messageId);
  }

  get links(): Link[] {
    return this.nodes.map(({ messageId, parentMessageId }) => ({ messageId, parentMessageId }));
  }
}
