import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { startTurn, type Turn } from '../../support/api.ts';
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
    const mine = (): number => ledgerLines(join(zombie.dataDir, 'ledger.jsonl')).length;
    const before = mine();
    const turn = await startDrivenAt(zombie, { other: heir, text: 'slow 2.5' });
    const watched = watch(turn);
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
