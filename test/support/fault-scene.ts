import assert from 'node:assert/strict';
import { join } from 'node:path';
import { getJson, request, type Turn, turnOf } from './api.ts';
import type { Cluster } from './cluster.ts';
import {
  actionIdOf,
  callsOf,
  decideAll,
  ledgerLines,
  type LedgerLine,
  resume,
  WaitingTurn,
  within,
} from './race-client.ts';
import { eventually } from './services.ts';
import { isShape, list, object, type Shape } from './shape.ts';
import { readAll, truthOf } from './truth.ts';

/** What goes on in a cluster while harm is done to its stores, and what must be true of it afterwards. */

export const PATIENCE_MS = 40_000;

/** Several replicas have a ledger each. */
export function ledgerOf({ replicas }: Pick<Cluster, 'replicas'>): LedgerLine[] {
  return replicas.flatMap(({ dataDir }) => ledgerLines(join(dataDir, 'ledger.jsonl')));
}

/**
 * Sends a turn until it is accepted, as a client does: each refusal must be 503 with Retry-After. Resolves with the
 * turn, and how often it was refused.
 */
export async function sendUntilAccepted(
  baseUrl: string,
  body: Shape,
): Promise<{ turn: Turn; refused: number }> {
  let refused = 0;
  let turn: Turn | undefined;
  await eventually(
    'the turn is accepted',
    async () => {
      const answer = await request(baseUrl, { path: '/api/chat', body });
      if (answer.status === 202) turn = turnOf(answer.json);
      else checkRefusal(answer);
      refused += turn ? 0 : 1;
      return turn !== undefined;
    },
    PATIENCE_MS,
  );
  if (!turn) throw new Error('never accepted');
  return { turn, refused };
}

/** The only way in which a store's outage may be told. */
export function checkRefusal({
  status,
  headers,
  text,
}: {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  text: string;
}): void {
  if (status !== 503) throw new Error(`refused with ${status} ${text}`);
  assert.equal(object(JSON.parse(text)['error'])['code'], 'UNAVAILABLE');
  assert.ok(Number(headers['retry-after']) > 0);
}

/** A generation that waits for a person, read on both replicas. */
export class WaitingScene {
  readonly turn: Turn;
  readonly action: Shape;
  readonly #cluster: Cluster;
  readonly #watched: readonly WaitingTurn[];

  private constructor(cluster: Cluster, watched: readonly WaitingTurn[], action: Shape) {
    const [first] = watched;
    if (!first) throw new Error('nobody reads');
    this.#cluster = cluster;
    this.#watched = watched;
    this.turn = first.turn;
    this.action = action;
  }

  static async start(cluster: Cluster, signal: AbortSignal): Promise<WaitingScene> {
    const [one = '', other = ''] = cluster.urls;
    const first = await WaitingTurn.start(one, { body: { text: 'approve' }, signal });
    const watched = [first, new WaitingTurn(other, first.turn, signal)];
    const [action] = await Promise.all(
      watched.map((each) => within(each.asked(), PATIENCE_MS, () => 'nobody asks')),
    );
    if (!action) throw new Error('it ended without a question');
    return new WaitingScene(cluster, watched, action);
  }

  /** It is listed, whatever became of its log. */
  async checkListed(): Promise<void> {
    for (const baseUrl of this.#cluster.urls) {
      const { items } = await getJson(baseUrl, '/api/approvals');
      const ids = list(items).filter(isShape).map(actionIdOf);
      assert.ok(ids.includes(actionIdOf(this.action)));
    }
  }

  /** Milliseconds from `moment` until both replicas show the action in status and in a stream that is opened anew. */
  async shownAfter(moment: number, limit: number): Promise<number> {
    await Promise.all(
      this.#cluster.urls.flatMap((baseUrl) => [
        eventually('the pause is in the status', () => this.#inStatus(baseUrl), limit),
        eventually('the pause is in the stream', () => this.#inStream(baseUrl), limit),
      ]),
    );
    return Math.max(0, Date.now() - moment);
  }

  async #inStatus(baseUrl: string): Promise<boolean> {
    const path = `/api/chat/status/${this.turn.conversationId}`;
    const answer = await request(baseUrl, { path });
    if (answer.status === 503) return false;
    const { generation } = answer.json;
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.text}`);
    if (!isShape(generation)) return false;
    const { status, pendingAction } = generation;
    assert.deepEqual({ status, pendingAction }, { status: 'paused', pendingAction: this.action });
    return true;
  }

  async #inStream(baseUrl: string): Promise<boolean> {
    const quit = new AbortController();
    const again = new WaitingTurn(baseUrl, this.turn, quit.signal);
    try {
      return actionIdOf((await again.action()) ?? {}) === actionIdOf(this.action);
    } finally {
      quit.abort();
      await again.read.catch(() => undefined);
    }
  }

  /** Approves it at the second replica: the tool runs once, and both readers are told everything. */
  async approve(): Promise<void> {
    const [one = '', other = ''] = this.#cluster.urls;
    const body = decideAll(this.action, { decision: 'approve' });
    const said = await resume(other, body);
    assert.equal(said.status, 202, said.text);
    await this.checkCompleted();
    assert.equal((await resume(one, body)).status, 200);
  }

  async checkCompleted(): Promise<void> {
    const { generationId } = this.turn;
    const reads = await Promise.all(
      this.#watched.map(({ read }) => within(read, PATIENCE_MS, () => `no end of ${generationId}`)),
    );
    for (const { done } of reads) assert.equal(done.data['status'], 'completed');
    const [one = ''] = this.#cluster.urls;
    const { log } = await truthOf(one, this.turn);
    const of = (event: string) => [...log.values()].filter((frame) => frame.event === event);
    const ends = of('action_resolved').map(({ data }) => data['outcome']);
    assert.deepEqual(ends, ['decided']);
    const ran = ledgerOf(this.#cluster).filter((line) => line.generationId === generationId);
    assert.equal(ran.length, callsOf(this.action).length);
  }
}

/** A turn that was accepted is answered, at any replica; ms since `moment`. */
export async function answeredAfter(
  moment: number,
  { urls, turn }: { urls: readonly string[]; turn: Turn },
): Promise<number> {
  const reads = await Promise.all(urls.map((baseUrl) => readAll(baseUrl, turn)));
  const took = Math.max(0, Date.now() - moment);
  for (const { done } of reads) assert.equal(done.data['status'], 'completed');
  return took;
}
