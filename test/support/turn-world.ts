import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { toModelHistory } from '../../src/agent/history.ts';
import { branchPage } from '../../src/stream/branch.ts';
import type { AgainRequest, Started } from '../../src/stream/generations.ts';
import { settle } from './fake-clock.ts';
import { ALICE, type Heart } from './heart.ts';
import { TurnTree, type End, type TreeNode } from './turn-tree.ts';

/** Turns of every kind on a heart, each held against the model of the tree. */

export type Again = Pick<AgainRequest, 'kind' | 'conversationId' | 'target'> &
  Partial<AgainRequest>;

export async function again(heart: Heart, of: Again, by = ALICE): Promise<Started> {
  const given = { onBusy: 'reject', metadata: {}, bodyHash: 'again' } as const;
  const started = await heart.api.again(by, { ...given, ...of });
  await settle();
  return started;
}

/** Ends the newest run, or stops this generation. */
export async function finish(heart: Heart, end: End, generationId: string): Promise<void> {
  if (end === 'complete') heart.runner.last.end();
  else if (end === 'fail') heart.runner.last.fail(new Error('it broke'));
  else await heart.api.abort(ALICE, { generationId });
  await settle();
}

/** A turn with its answer, as the start of a conversation. */
export async function turn(
  heart: Heart,
  end: End = 'complete',
  over: Parameters<Heart['start']>[0] = {},
): Promise<Started> {
  const started = await heart.start(over);
  heart.runner.last.say('partial');
  await settle();
  await finish(heart, end, started.generationId);
  return started;
}

/** What the newest run was given. */
export function idsOf(heart: Heart): string[] {
  return heart.runner.last.request.history.map(({ messageId }) => messageId);
}

export interface Step {
  op: 'send' | 'edit' | 'regenerate' | 'continue' | 'fork';
  conversation: number;
  at: number;
  end: End;
  /** What else is tried while the answer is being made. */
  meanwhile: 'nothing' | 'refusals' | 'enqueue';
}

export const step: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom('send', 'edit', 'regenerate', 'regenerate', 'continue', 'continue', 'fork'),
  conversation: fc.nat(),
  at: fc.nat(),
  end: fc.constantFrom('complete', 'abort', 'fail'),
  meanwhile: fc.constantFrom('nothing', 'refusals', 'enqueue'),
});

/** The server and the model of it, side by side. */
export class World {
  readonly trees: TurnTree[] = [];
  readonly #heart: Heart;
  #tokens = 0;

  constructor(heart: Heart) {
    this.#heart = heart;
  }

  #token(): string {
    this.#tokens += 1;
    return `w${this.#tokens}`;
  }

  async play(now: Step): Promise<void> {
    const tree = this.trees[now.conversation % Math.max(1, this.trees.length)];
    if (!tree) return this.#first(now);
    const nodes = now.op === 'edit' ? tree.nodes.filter(({ role }) => role === 'user') : tree.nodes;
    const node = nodes[now.at % nodes.length];
    if (!node) throw new Error('a conversation without a message');
    switch (now.op) {
      case 'send':
        return this.#said(now, tree, undefined);
      case 'edit':
        return this.#said(now, tree, node.parentMessageId);
      case 'regenerate':
        return this.#again(now, tree, node);
      case 'continue':
        return this.#continued(now, tree, node);
      case 'fork':
        return this.#fork(tree, node);
    }
  }

  async #first(now: Step): Promise<void> {
    const token = this.#token();
    const started = await this.#heart.start({ text: token, messageId: `m_${token}` });
    const tree = new TurnTree(started.conversationId);
    this.trees.push(tree);
    tree.add({ messageId: started.messageId, parentMessageId: null, role: 'user', token });
    await this.#answer(now, tree, started);
  }

  async #said(now: Step, tree: TurnTree, parent: string | null | undefined): Promise<void> {
    const { conversationId } = tree;
    const text = this.#token();
    const place = parent === undefined ? {} : { parentMessageId: parent };
    const started = await this.#heart.start({
      conversationId,
      text,
      messageId: `m_${text}`,
      ...place,
    });
    const newest = tree.nodes.at(-1)?.messageId ?? null;
    tree.add({
      messageId: started.messageId,
      parentMessageId: parent === undefined ? newest : parent,
      role: 'user',
      token: text,
    });
    await this.#answer(now, tree, started);
  }

  async #again(now: Step, tree: TurnTree, { messageId }: TreeNode): Promise<void> {
    const { conversationId } = tree;
    const started = await again(this.#heart, {
      kind: 'regenerate',
      conversationId,
      target: messageId,
    });
    await this.#answer(now, tree, started);
  }

  async #continued(now: Step, tree: TurnTree, { messageId, end }: TreeNode): Promise<void> {
    const wanted = {
      kind: 'continue',
      conversationId: tree.conversationId,
      target: messageId,
    } as const;
    if (end === 'abort' || end === 'fail') {
      await this.#answer(now, tree, await again(this.#heart, wanted), messageId);
      return;
    }
    const code = end === undefined ? 'INVALID_REQUEST' : 'ANSWER_COMPLETE';
    await assert.rejects(again(this.#heart, wanted), { code });
  }

  /** Checks what the run was given, lets it answer, and ends it. */
  async #answer(now: Step, tree: TurnTree, started: Started, parent = started.messageId) {
    const { conversationId } = tree;
    this.#checkGiven(tree, parent);
    const token = this.#token();
    this.#heart.runner.last.say(token);
    await settle();
    const target = started.responseMessageId;
    const wanted = { kind: 'regenerate', conversationId, target } as const;
    if (now.meanwhile === 'refusals') await this.#refused(wanted);
    const next =
      now.meanwhile === 'enqueue'
        ? await again(this.#heart, { ...wanted, onBusy: 'enqueue' })
        : undefined;
    await finish(this.#heart, now.end, started.generationId);
    const answer = { messageId: target, parentMessageId: parent, role: 'assistant' } as const;
    tree.add({ ...answer, token, end: now.end });
    if (!next) return;
    await settle();
    await this.#answer({ ...now, end: 'complete', meanwhile: 'nothing' }, tree, next);
  }

  async #refused(wanted: Again): Promise<void> {
    const busy = { code: 'CONVERSATION_BUSY' };
    const { conversationId, target: messageId } = wanted;
    await assert.rejects(again(this.#heart, wanted), busy);
    await assert.rejects(again(this.#heart, { ...wanted, kind: 'continue' }), busy);
    const fork = { conversationId, messageId };
    await assert.rejects(this.#heart.api.fork(ALICE, fork), busy);
  }

  #checkGiven(tree: TurnTree, leaf: string): void {
    const { history } = this.#heart.runner.last.request;
    const branch = tree.branch(leaf).map(({ messageId }) => messageId);
    assert.deepEqual(idsOf(this.#heart), branch);
    const heard = toModelHistory(history).flatMap(({ type, text }) =>
      [...text.matchAll(/w\d+/g)].map(([token]) => `${type}:${token}`),
    );
    assert.deepEqual(heard, tree.heard(leaf));
  }

  async #fork(tree: TurnTree, { messageId }: TreeNode): Promise<void> {
    const { conversationId } = tree;
    const fork = await this.#heart.api.fork(ALICE, { conversationId, messageId });
    const links = await this.#heart.stores.conversations.links(fork.conversationId);
    const copy = new TurnTree(fork.conversationId);
    for (const [index, node] of tree.branch(messageId).entries()) {
      const id = links[index]?.messageId ?? 'missing';
      copy.add({ ...node, messageId: id, parentMessageId: links[index - 1]?.messageId ?? null });
    }
    this.trees.push(copy);
  }

  async check(): Promise<void> {
    for (const tree of this.trees) {
      const { conversationId } = tree;
      const { conversations } = this.#heart.stores;
      assert.deepEqual(await conversations.links(conversationId), tree.links);
      for (const { messageId } of tree.nodes) await this.#checkBranch(tree, messageId);
      const newest = await this.#read(conversationId, undefined);
      assert.equal(newest.at(-1)?.messageId, tree.nodes.at(-1)?.messageId);
    }
  }

  async #checkBranch(tree: TurnTree, leaf: string): Promise<void> {
    const got = await this.#read(tree.conversationId, leaf);
    const shown = got.map(({ messageId, content: [part], siblings }) => {
      return { messageId, said: part?.type === 'text' ? part.text : '', siblings };
    });
    const expected = tree.branch(leaf).map((node) => {
      return { messageId: node.messageId, said: node.token, siblings: tree.siblings(node) };
    });
    assert.deepEqual(shown, expected);
  }

  async #read(conversationId: string, leaf: string | undefined) {
    const items = [];
    let cursor: string | undefined;
    do {
      const of = { conversationId, leaf };
      const page = await branchPage(this.#heart.stores.conversations, of, { limit: 2, cursor });
      items.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return items;
  }
}
