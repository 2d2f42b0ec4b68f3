import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { request, startTurn } from '../../support/api.ts';
import { type Cluster, describeCluster } from '../../support/cluster.ts';
import { drivenBy, startDrivenAt } from '../../support/driven-at.ts';
import { ledgerLines } from '../../support/race-client.ts';
import type { ServerProcess } from '../../support/server-process.ts';
import { eventually } from '../../support/services.ts';
import { checkReader, standing, truthOf } from '../../support/truth.ts';
import { WatchedTurn } from '../../support/watched-turn.ts';

const PATIENCE_MS = 30_000;

describeCluster('a stop on another replica', (clusters) => {
  let cluster: Cluster;
  let driver: ServerProcess;
  let other: ServerProcess;
  const quit = new AbortController();

  beforeAll(async () => {
    // Neither a heartbeat nor a scan comes in time to tell the driver.
    const env = { SCAN_INTERVAL: '60s', LEASE_TTL: '200s', DEMO_LEDGER: 'ledger.jsonl' };
    cluster = await clusters.start({ env });
    const [first, second] = cluster.replicas;
    if (!first || !second) throw new Error('two replicas');
    [driver, other] = [first, second];
  });

  afterAll(() => quit.abort());

  test.each([
    ['that talks', 'say 100000 2 w'],
    ['that is silent', 'hang'],
    ['that is in a tool', 'slow 600'],
    ['that is in a tool which does not listen', 'stubborn 600'],
  ])(
    'ends a model %s at once, and every reader has the end',
    async (_name, command) => {
      const turn = await startDrivenAt(driver, { other, text: command });
      const { generationId } = turn;
      const watched = [driver, other].map(
        ({ baseUrl }) => new WatchedTurn(baseUrl, turn, quit.signal),
      );
      const runs = (): number =>
        ledgerLines(join(driver.dataDir, 'ledger.jsonl')).filter(
          (line) => line.generationId === generationId,
        ).length;
      const tool = /^(slow|stubborn)/.test(command);
      await Promise.all(
        watched.map((each) => each.sees('some of it', ({ seq }) => seq > 3, PATIENCE_MS)),
      );
      if (tool) await eventually('the tool runs', () => runs() > 0, PATIENCE_MS);

      const stopped = await request(other.baseUrl, {
        path: '/api/chat/abort',
        body: { generationId },
      });
      const began = Date.now();
      await eventually(
        'the driver lets go',
        async () => (await drivenBy(driver)) === 0,
        PATIENCE_MS,
      );
      const took = Date.now() - began;
      const reads = await Promise.all(watched.map(({ read }) => read));

      expect(stopped.json).toMatchObject({ status: 'aborted', alreadyFinished: false });
      console.info(`${command}: ${took} ms`);
      const truth = await truthOf(other.baseUrl, turn);
      for (const read of reads) {
        expect(read.done.data).toMatchObject({ status: 'aborted' });
        // The driver's last words, which were not durable yet, may be withdrawn; never in silence.
        checkReader(truth, { fold: read.fold, frames: standing(truth, read.frames) });
      }
      expect(tool ? runs() : 1).toBe(1);
      const next = await startTurn(other.baseUrl, {
        text: 'say 2 0',
        conversationId: turn.conversationId,
      });
      const after = new WatchedTurn(driver.baseUrl, next, quit.signal);
      expect((await after.read).done.data).toMatchObject({ status: 'completed' });
      expect(await truthOf(driver.baseUrl, turn)).toEqual(truth);
    },
    120_000,
  );
});
