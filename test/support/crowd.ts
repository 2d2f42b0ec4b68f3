import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { request, type Turn, turnOf } from './api.ts';
import type { Cluster } from './cluster.ts';
import { checkRefusal, ledgerOf, PATIENCE_MS } from './fault-scene.ts';
import { callsOf, decideAll, resume } from './race-client.ts';
import { eventually } from './services.ts';
import { isShape, type Shape } from './shape.ts';
import { truthOf } from './truth.ts';
import { checkHonest, Witness } from './witness.ts';

const COMMANDS = ['say 150 10 w', 'approve', 'approve 2', 'twice', 'strict', 'slow 1', 'tool'];
const UNSAFE = new Set(['send_email', 'delete_file']);

/** Between two looks at a turn: who asks without a pause keeps the stores busy with that. */
const PACE_MS = 150;

interface Member {
  turn: Turn;
  command: string;
  reader: Witness;
  outcome: string;
}

/** Many turns of all kinds over two replicas, whose owner answers what they ask, whatever is done to the stores. */
export class Crowd {
  readonly #cluster: Cluster;
  readonly #members: readonly Member[];
  /** Recovery questions that were met. */
  recoveries = 0;

  private constructor(cluster: Cluster, members: readonly Member[]) {
    this.#cluster = cluster;
    this.#members = members;
  }

  /** Each is started at one replica and read at the other. */
  static async start(cluster: Cluster, count: number, signal: AbortSignal): Promise<Crowd> {
    const { urls } = cluster;
    const members = Array.from({ length: count }, async (_, index): Promise<Member> => {
      const command = COMMANDS[index % COMMANDS.length] ?? '';
      const turn = await begin(urls[index % 2] ?? '', command);
      const baseUrl = urls[(index + 1) % 2] ?? '';
      const reader = new Witness(`${command} (${index})`, { baseUrl, turn, signal });
      return { turn, command, reader, outcome: '' };
    });
    return new Crowd(cluster, await Promise.all(members));
  }

  /** Answers until all are over. Resolves with how they ended, each kind counted. */
  async seeThrough(): Promise<Record<string, number>> {
    await Promise.all(this.#members.map((member, index) => this.#see(member, index)));
    const counts: Record<string, number> = {};
    for (const { outcome } of this.#members) counts[outcome] = (counts[outcome] ?? 0) + 1;
    return counts;
  }

  /** Every reader has the truth, and no unsafe tool ran twice. */
  async check(): Promise<void> {
    const { urls } = this.#cluster;
    for (const [index, { turn, reader }] of this.#members.entries()) {
      checkHonest(await truthOf(urls[index % 2] ?? '', turn), await reader.read);
    }
    const mine = new Set(this.#members.map(({ turn }) => turn.generationId));
    const unsafe = ledgerOf(this.#cluster)
      .filter(({ generationId, name }) => mine.has(generationId) && UNSAFE.has(name))
      .map(({ toolCallId }) => toolCallId);
    assert.equal(new Set(unsafe).size, unsafe.length, 'an unsafe tool ran twice');
  }

  async #see(member: Member, index: number): Promise<void> {
    const { conversationId } = member.turn;
    const path = `/api/chat/status/${conversationId}`;
    let turns = index;
    const over = async (): Promise<boolean> => {
      await sleep(PACE_MS);
      // Now at one replica, then at the other.
      const baseUrl = this.#cluster.urls[turns % 2] ?? '';
      turns += 1;
      const answer = await request(baseUrl, { path });
      if (answer.status !== 200) {
        checkRefusal(answer);
        return false;
      }
      const { active, generation } = answer.json;
      if (!isShape(generation)) return false;
      const { status, pendingAction } = generation;
      if (isShape(pendingAction)) await this.#answer(baseUrl, pendingAction);
      if (active === false) member.outcome = String(status);
      return active === false;
    };
    await eventually(`the end of ${member.command}`, over, PATIENCE_MS);
    await member.reader.read;
  }

  async #answer(baseUrl: string, action: Shape): Promise<void> {
    const recovery = action['kind'] === 'recovery';
    if (recovery) this.recoveries += callsOf(action).length;
    const decision = recovery ? 'skip' : 'approve';
    const said = await resume(baseUrl, decideAll(action, { decision }));
    // 409: an answer that was refused before got through, and what it led to asks again.
    if (![200, 202, 409].includes(said.status)) checkRefusal(said);
  }
}

/** As a client does it: a 503 is answered by the same turn once more. */
async function begin(baseUrl: string, text: string): Promise<Turn> {
  const body = { text, messageId: randomUUID() };
  for (let tries = 0; ; tries += 1) {
    const answer = await request(baseUrl, { path: '/api/chat', body });
    if (answer.status === 202) return turnOf(answer.json);
    if (answer.status !== 503 || tries > 100) throw new Error(`${answer.status} ${answer.text}`);
    await sleep(100);
  }
}
