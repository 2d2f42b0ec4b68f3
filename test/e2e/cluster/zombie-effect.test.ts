import { afterAll, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { getJson, startTurn, type Turn } from '../../support/api.ts';
import { describeCluster } from '../../support/cluster.ts';
import { drivenBy } from '../../support/driven-at.ts';
import { resume } from '../../support/race-client.ts';
import { Records } from '../../support/records.ts';
import type { ServerProcess } from '../../support/server-process.ts';
import { eventually } from '../../support/services.ts';
import { object, text, type Shape } from '../../support/shape.ts';
import { checkReader, truthOf } from '../../support/truth.ts';
import { APPROVE, askedOf, bodyOf, WatchedTurn } from '../../support/watched-turn.ts';

/** A driver that hangs (SIGSTOP) in the middle of an unsafe effect, and comes back (SIGCONT) when another one drives. */

const PATIENCE_MS = 60_000;

/** A pipe as the ledger: whoever writes its line waits until the test reads, in the middle of the effect. */
class Gate implements Disposable {
  readonly #path: string;
  #open: number | undefined;

  constructor({ dataDir }: ServerProcess) {
    this.#path = join(dataDir, 'ledger.jsonl');
    const made = spawnSync('mkfifo', [this.#path]);
    if (made.status !== 0) throw new Error(String(made.stderr));
  }

  /** Lets the effect happen; resolves with its line. */
  async effect(): Promise<Shape> {
    this.#open ??= openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
    const line = Buffer.alloc(4096);
    let size = 0;
    await eventually('the effect', () => (size = this.#read(line)) > 0, PATIENCE_MS);
    const value: unknown = JSON.parse(line.toString('utf8', 0, size));
    return object(value);
  }

  #read(into: Buffer): number {
    try {
      return this.#open === undefined ? 0 : readSync(this.#open, into);
    } catch {
      // EAGAIN: it is open, and nothing was written yet.
      return 0;
    }
  }

  [Symbol.dispose](): void {
    if (this.#open !== undefined) closeSync(this.#open);
  }
}

async function isOpen(records: Records, { generationId }: Turn): Promise<boolean> {
  const { ledger } = await records.job(generationId);
  return JSON.stringify(ledger).includes('"open":true');
}

describeCluster('a driver that was stopped in an unsafe tool', (clusters) => {
  const quit = new AbortController();
  afterAll(() => quit.abort());

  interface Stopped {
    zombie: ServerProcess;
    heir: ServerProcess;
    records: Records;
    gate: Gate;
    turn: Turn;
    here: WatchedTurn;
    question: Shape;
  }

  type Sending = Pick<Stopped, 'zombie' | 'heir' | 'records'>;

  /**
   * A turn whose mail is being sent by `zombie`. Who drives on after the answer is whoever claims it first: where that
   * is the other one, its mail goes through, and the next turn is tried.
   */
  async function sentByZombie({ zombie, heir, records }: Sending): Promise<Turn> {
    for (let n = 0; n < 10; n += 1) {
      const turn = await startTurn(zombie.baseUrl, { text: 'approve' });
      const here = new WatchedTurn(heir.baseUrl, turn, quit.signal);
      const said = await resume(zombie.baseUrl, bodyOf(await askedOf(here), APPROVE));
      expect(said.status).toBe(202);
      const open = async (): Promise<boolean> => here.isOver || (await isOpen(records, turn));
      await eventually('the call is open', open, PATIENCE_MS);
      if ((await drivenBy(zombie)) > 0) return turn;
      await here.read;
    }
    throw new Error('the other one drives, every time');
  }

  /** Stopped in the middle of sending a mail; its heir asks what became of it. */
  async function stoppedInside(): Promise<Stopped & AsyncDisposable> {
    const env = { LEASE_TTL: '3s', SCAN_INTERVAL: '700ms', DEMO_LEDGER: 'ledger.jsonl' };
    const cluster = await clusters.start({ env });
    const [zombie, heir] = cluster.replicas;
    if (!zombie || !heir) throw new Error('two replicas');
    const gate = new Gate(zombie);
    const records = new Records(text(cluster.env['MONGODB_URI']));
    const release = async (): Promise<void> => {
      gate[Symbol.dispose]();
      await records[Symbol.asyncDispose]();
      await zombie.kill9();
      await heir.kill9();
    };
    try {
      const turn = await sentByZombie({ zombie, heir, records });
      process.kill(zombie.pid, 'SIGSTOP');
      const here = new WatchedTurn(heir.baseUrl, turn, quit.signal);
      const asked = await here.sees(
        'the recovery question',
        ({ event, data }) =>
          event === 'pending_action' && object(data['action'])['kind'] === 'recovery',
        PATIENCE_MS,
      );
      const question = object(asked.data['action']);
      return { zombie, heir, records, gate, turn, here, question, [Symbol.asyncDispose]: release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  test('answered meanwhile: what it does then changes nothing', async () => {
    await using stopped = await stoppedInside();
    const { zombie, heir, records, gate, turn, here, question } = stopped;
    const said = await resume(heir.baseUrl, bodyOf(question, APPROVE));
    expect(said.status).toBe(202);
    const read = await here.read;
    expect(read.done.data).toMatchObject({ status: 'completed' });
    await eventually(
      'it is finished',
      async () => (await records.job(turn.generationId))['status'] === 'finished',
    );
    const before = await records.job(turn.generationId);
    const { log, message } = await truthOf(heir.baseUrl, turn);

    process.kill(zombie.pid, 'SIGCONT');
    const effect = await gate.effect();
    await eventually(
      'the zombie drives nothing',
      async () => (await drivenBy(zombie)) === 0,
      PATIENCE_MS,
    );

    expect(effect).toMatchObject({ generationId: turn.generationId, name: 'send_email' });
    expect(await records.job(turn.generationId)).toEqual(before);
    expect(await truthOf(heir.baseUrl, turn)).toEqual({ log, message });
    expect(JSON.stringify(message)).toContain('it was done');
  }, 120_000);

  test('while the question waits: its result, which comes late, is the answer', async () => {
    await using stopped = await stoppedInside();
    const { zombie, heir, gate, turn, here } = stopped;

    process.kill(zombie.pid, 'SIGCONT');
    await gate.effect();
    const read = await here.read;

    expect(read.done.data).toMatchObject({ status: 'completed' });
    const { message, log } = await truthOf(heir.baseUrl, turn);
    checkReader({ log, message }, read);
    expect(JSON.stringify(message)).toContain('sent \\"Hello 1\\" to person1@example.com');
    const { items } = await getJson(heir.baseUrl, '/api/approvals');
    expect(items).toEqual([]);
  }, 120_000);
});
