import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { getJson, startTurn, type Turn } from '../../support/api.ts';
import { type Cluster, describeCluster } from '../../support/cluster.ts';
import { drivenBy, startDrivenAt } from '../../support/driven-at.ts';
import { ledgerLines, resume } from '../../support/race-client.ts';
import { Records } from '../../support/records.ts';
import type { ServerProcess } from '../../support/server-process.ts';
import { eventually } from '../../support/services.ts';
import { object, text, type Shape } from '../../support/shape.ts';
import { saying } from '../../support/tally.ts';
import { checkReader, readAll, standing, truthOf } from '../../support/truth.ts';
import { APPROVE, askedOf, bodyOf, WatchedTurn } from '../../support/watched-turn.ts';
import { sampled } from '../../support/sampled.ts';

/**
 * A driver that hangs (SIGSTOP) past its lease while another replica takes over and finishes, and then goes on
 * (SIGCONT) where it was, with open sockets and timers that are long due. It may change nothing.
 */

const PATIENCE_MS = 60_000;

/** All that there is of a generation: its record, its log as it is stored, its message, and what its tools did. */
interface Everything {
  record: Shape;
  log: unknown;
  message: Shape;
  ledger: unknown[];
}

describeCluster('a driver that was stopped past its lease', (clusters) => {
  let cluster: Cluster;
  let records: Records;
  let zombie: ServerProcess;
  let heir: ServerProcess;
  let quit: AbortController;

  beforeAll(async () => {
    const env = { LEASE_TTL: '3s', SCAN_INTERVAL: '700ms', DEMO_LEDGER: 'ledger.jsonl' };
    cluster = await clusters.start({ env });
    const [first, second] = cluster.replicas;
    if (!first || !second) throw new Error('two replicas');
    [zombie, heir] = [first, second];
    records = new Records(text(cluster.env['MONGODB_URI']));
  });

  afterAll(() => records[Symbol.asyncDispose]());

  beforeEach(() => {
    quit = new AbortController();
  });

  afterEach(() => {
    quit.abort();
    process.kill(zombie.pid, 'SIGCONT');
  });

  function ledger(): unknown[] {
    return [zombie, heir].flatMap(({ dataDir }) => ledgerLines(join(dataDir, 'ledger.jsonl')));
  }

  async function everything(turn: Turn): Promise<Everything> {
    const { generationId } = turn;
    const { message } = await truthOf(heir.baseUrl, turn);
    const { admin } = cluster.redis;
    const keys = (await admin.keys(`hf:{${generationId}}:*`)).toSorted();
    const log = await Promise.all(
      keys.map(async (key) =>
        key.endsWith(':log') ? admin.xrange(key, '-', '+') : admin.get(key),
      ),
    );
    return { record: await records.job(generationId), log, message, ledger: ledger() };
  }

  async function statusOf({ generationId }: Turn): Promise<string> {
    return text((await records.job(generationId))['status'], 'status');
  }

  /** Read on both: the zombie's reader stays connected to a process that hangs. */
  function watch(turn: Turn): { there: WatchedTurn; here: WatchedTurn } {
    return {
      there: new WatchedTurn(zombie.baseUrl, turn, quit.signal),
      here: new WatchedTurn(heir.baseUrl, turn, quit.signal),
    };
  }

  function stop(): void {
    process.kill(zombie.pid, 'SIGSTOP');
  }

  /** It is awake, has seen that nothing is its own any more, and works as if nothing had been. */
  async function wake(): Promise<void> {
    process.kill(zombie.pid, 'SIGCONT');
    await eventually(
      'the zombie drives nothing',
      async () => (await drivenBy(zombie)) === 0,
      PATIENCE_MS,
    );
    const turn = await startTurn(zombie.baseUrl, { text: 'say 2 0 awake' });
    const read = await readAll(zombie.baseUrl, turn, quit.signal);
    expect(read.done.data).toMatchObject({ status: 'completed' });
  }

  /** Its heir has finished: the same before and after, for readers on both. */
  async function checkUnchanged(
    turn: Turn,
    { there, here }: { there: WatchedTurn; here: WatchedTurn },
  ): Promise<Everything> {
    await here.read;
    await eventually('it is finished', async () => (await statusOf(turn)) === 'finished', 30_000);
    const before = await everything(turn);
    await wake();
    const read = await there.read;
    expect(await everything(turn)).toEqual(before);
    const truth = await truthOf(zombie.baseUrl, turn);
    const heard = await here.read;
    // What it showed in its last flush window is withdrawn, never in silence; where it ends is the truth.
    checkReader(truth, { fold: heard.fold, frames: standing(truth, heard.frames) });
    checkReader(truth, { fold: read.fold, frames: read.frames.slice(-1) });
    return before;
  }

  test('between tokens: it adds no word, and its readers end with the truth', async () => {
    const turn = await startDrivenAt(zombie, { other: heir, text: 'say 150 20 z' });
    const watched = watch(turn);
    await watched.there.sees('a word', ({ seq }) => seq > 30);

    stop();
    const { message, record } = await checkUnchanged(turn, watched);

    expect(message['content']).toEqual([{ type: 'text', text: saying('z', 150) }]);
    expect(record).toMatchObject({ attempts: 1, outcome: 'completed' });
  }, 120_000);

  test('in a tool: its result comes too late', async () => {
    const turn = await startDrivenAt(zombie, { other: heir, text: 'slow 1' });
    const watched = watch(turn);
    const mine = (): number => ledgerLines(join(zombie.dataDir, 'ledger.jsonl')).length;
    const before = mine();
    await eventually('the tool runs', () => mine() > before, PATIENCE_MS);

    stop();
    const { record } = await checkUnchanged(turn, watched);

    expect(record).toMatchObject({ attempts: 1, outcome: 'completed' });
  }, 120_000);

  test('while it waits for a person, who answers elsewhere', async () => {
    const turn = await startTurn(zombie.baseUrl, { text: 'approve' });
    const watched = watch(turn);
    const action = await askedOf(watched.here);
    await askedOf(watched.there);

    stop();
    const said = await resume(heir.baseUrl, bodyOf(action, APPROVE));
    expect(said.status).toBe(202);
    const { ledger: ran } = await checkUnchanged(turn, watched);

    expect(ran.filter((line) => object(line)['generationId'] === turn.generationId)).toHaveLength(
      1,
    );
  }, 120_000);

  test.each(sampled([0, 10, 30, 60]))(
    'while it finalises, %d ms behind the last words',
    async (after) => {
      const turn = await startTurn(zombie.baseUrl, { text: 'say 5 1 f' });
      const watched = watch(turn);
      await watched.here.seesEvent('title');
      await new Promise((later) => setTimeout(later, after));

      stop();
      const { message, record } = await checkUnchanged(turn, watched);

      expect(message['content']).toEqual([{ type: 'text', text: saying('f', 5) }]);
      expect(record).toMatchObject({ outcome: 'completed' });
    },
    120_000,
  );
});

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

  /** Stopped in the middle of sending a mail; its heir asks what became of it. */
  async function stoppedInside(): Promise<Stopped & AsyncDisposable> {
    const env = { LEASE_TTL: '3s', SCAN_INTERVAL: '700ms', DEMO_LEDGER: 'ledger.jsonl' };
    const cluster = await clusters.start({ env });
    const [zombie, heir] = cluster.replicas;
    if (!zombie || !heir) throw new Error('two replicas');
    const gate = new Gate(zombie);
    const records = new Records(text(cluster.env['MONGODB_URI']));
    const turn = await startTurn(zombie.baseUrl, { text: 'approve' });
    const here = new WatchedTurn(heir.baseUrl, turn, quit.signal);
    const said = await resume(zombie.baseUrl, bodyOf(await askedOf(here), APPROVE));
    expect(said.status).toBe(202);
    await eventually(
      'the call is open',
      async () =>
        JSON.stringify((await records.job(turn.generationId))['ledger']).includes('"open":true'),
      PATIENCE_MS,
    );
    process.kill(zombie.pid, 'SIGSTOP');
    const asked = await here.sees(
      'the recovery question',
      ({ event, data }) =>
        event === 'pending_action' && object(data['action'])['kind'] === 'recovery',
      PATIENCE_MS,
    );
    return {
      zombie,
      heir,
      records,
      gate,
      turn,
      here,
      question: object(asked.data['action']),
      async [Symbol.asyncDispose]() {
        gate[Symbol.dispose]();
        await records[Symbol.asyncDispose]();
        await zombie.kill9();
        await heir.kill9();
      },
    };
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
