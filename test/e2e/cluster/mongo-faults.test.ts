import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { activeGenerations, request, startTurn } from '../../support/api.ts';
import { type Cluster, describeCluster } from '../../support/cluster.ts';
import { Crowd } from '../../support/crowd.ts';
import {
  checkRefusal,
  PATIENCE_MS,
  sendUntilAccepted,
  WaitingScene,
} from '../../support/fault-scene.ts';
import { decideAll, resume, within } from '../../support/race-client.ts';
import { eventually } from '../../support/services.ts';
import { checkReader, readAll, truthOf } from '../../support/truth.ts';
import { median } from '../../support/witness.ts';
import { sampled } from '../../support/sampled.ts';

/**
 * MongoDB fails at each step of a turn, on two replicas. MONGO_DOWN=3000 MONGO_LONG=15000 LEASE_TTL=20s SCAN_INTERVAL=5s
 * MONGO_ROUNDS=5 is the long run, FAULT_REPORT=1 prints how long it took until all went on.
 */

const DOWN_MS = Number(process.env['MONGO_DOWN'] ?? 1_000);
const ROUNDS = Number(process.env['MONGO_ROUNDS'] ?? 1);
/** Longer than three fifths of a lease, after which a driver stops itself. */
const LONG_MS = Number(process.env['MONGO_LONG'] ?? 4_500);
const LEASE_TTL = process.env['LEASE_TTL'] ?? '6s';
const SCAN_INTERVAL = process.env['SCAN_INTERVAL'] ?? '2s';
const HARM_MS = Number(process.env['MONGO_HARM'] ?? 1_000);
const CROWD = Number(process.env['MONGO_CROWD'] ?? 4);
const RECOVERED_MS = 5_000;
/** With many turns that all catch up at the same time, on a busy machine. */
const CAUGHT_UP_MS = 15_000;
const LIMIT = ROUNDS * 90_000;

function report(name: string, took: readonly number[], more = ''): void {
  if (!process.env['FAULT_REPORT']) return;
  const worst = Math.max(...took);
  process.stdout.write(`${name}: ${median(took)} ms (worst ${worst}) ${more}\n`);
}

describeCluster('MongoDB fails', (clusters) => {
  let cluster: Cluster;
  const quit = new AbortController();
  setMaxListeners(0, quit.signal);
  afterAll(() => quit.abort());
  beforeAll(async () => {
    cluster = await clusters.start({
      env: { DEMO_LEDGER: 'ledger.jsonl', LEASE_TTL, SCAN_INTERVAL },
    });
  }, 60_000);

  /** Down until now: resolves with the moment at which it is there again, epoch ms. */
  async function backAfter(ms: number): Promise<number> {
    await sleep(ms);
    await cluster.mongoFaults.up();
    return Date.now();
  }

  async function atRest(): Promise<unknown> {
    const [one = ''] = cluster.urls;
    const idle = async (): Promise<boolean> => {
      const live = await activeGenerations(one);
      return Array.isArray(live) && live.length === 0;
    };
    // What was cut off at its very end is closed by whoever takes it, a lease later.
    await eventually('nothing is live', idle, PATIENCE_MS);
    return activeGenerations(one);
  }

  /** The longest recovery, ms. */
  async function rounds(name: string, play: () => Promise<number>): Promise<number> {
    const took: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) took.push(await play());
    report(name, took);
    expect(await atRest()).toEqual([]);
    return Math.max(...took);
  }

  test(
    'down at the start of a turn: 503, and the repeat starts it once',
    async () => {
      const [one = '', other = ''] = cluster.urls;
      const took = await rounds('down at start', async () => {
        const body = { text: 'say 5 0 w', messageId: `start-${process.hrtime.bigint()}` };
        await cluster.mongoFaults.down();
        checkRefusal(await request(one, { path: '/api/chat', body }));
        const sent = sendUntilAccepted(one, body);
        const back = await backAfter(DOWN_MS);
        const { turn } = await sent;
        const took = Date.now() - back;

        const again = await request(other, { path: '/api/chat', body });
        expect(again.json).toMatchObject({ status: 'attached', generationId: turn.generationId });
        expect((await readAll(other, turn)).done.data).toMatchObject({ status: 'completed' });
        return took;
      });
      expect(took).toBeLessThan(RECOVERED_MS);
    },
    LIMIT,
  );

  test.each(sampled([1, 2, 3, 4]))(
    'loses %d answers at the start of a turn: the repeat finds it, or starts it',
    async (lost) => {
      const [one = '', other = ''] = cluster.urls;
      const text = `say 5 0 lost${lost}`;
      const body = { text, messageId: `lost-${lost}` };
      cluster.mongoFaults.loseReplies(text, lost);
      const { turn } = await sendUntilAccepted(one, body);
      const read = await readAll(other, turn);
      checkReader(await truthOf(one, turn), read);
      expect(read.done.data).toMatchObject({ status: 'completed' });
      const again = await sendUntilAccepted(other, body);
      expect(again.turn.generationId).toBe(turn.generationId);
      cluster.mongoFaults.loseReplies('', 0);
    },
    LIMIT,
  );

  const places = ['before', 'after'] as const;

  test.each(sampled(places))(
    'down at a pause, %s the write: it is told once it is back, and can be decided',
    async (place) => {
      const took = await rounds(`down at pause, ${place}`, async () => {
        const tripped = cluster.mongoFaults.downAt('"status":"paused"', place);
        const started = WaitingScene.start(cluster, quit.signal);
        await within(tripped, PATIENCE_MS, () => 'nobody pauses');
        const back = await backAfter(DOWN_MS);
        const scene = await started;
        const took = Date.now() - back;
        await scene.shownAfter(back, RECOVERED_MS);
        await scene.approve();
        return took;
      });
      expect(took).toBeLessThan(RECOVERED_MS);
    },
    LIMIT,
  );

  test.each(sampled(places))(
    'down at a decision, %s the write: 503, and the repeat is accepted or known',
    async (place) => {
      const [one = ''] = cluster.urls;
      const took = await rounds(`down at decide, ${place}`, async () => {
        const scene = await WaitingScene.start(cluster, quit.signal);
        const tripped = cluster.mongoFaults.downAt('"outcome":"decided"', place);
        const body = decideAll(scene.action, { decision: 'approve' });
        const said = eventually(
          'the answer is accepted',
          async () => {
            const answer = await resume(one, body);
            if ([200, 202].includes(answer.status)) return true;
            checkRefusal(answer);
            return false;
          },
          PATIENCE_MS,
        );
        await within(tripped, PATIENCE_MS, () => 'nobody decides');
        const back = await backAfter(DOWN_MS);
        await said;
        const took = Date.now() - back;
        await scene.checkCompleted();
        return Math.max(took, 0);
      });
      expect(took).toBeLessThan(RECOVERED_MS);
    },
    LIMIT,
  );

  test.each(sampled(places))(
    'down at the end of a turn, %s the write: readers get the end once it is back',
    async (place) => {
      const [one = '', other = ''] = cluster.urls;
      const took = await rounds(`down at finalise, ${place}`, async () => {
        // Nothing else is live: only this turn can end, however late we hear that it was started.
        const tripped = cluster.mongoFaults.downAt('"status":"finalizing"', place);
        const turn = await startTurn(one, { text: 'say 100 5 w' });
        const reads = Promise.all([readAll(one, turn), readAll(other, turn)]);
        await within(tripped, PATIENCE_MS, () => 'nobody ends');
        const back = await backAfter(DOWN_MS);
        const both = await reads;
        const took = Date.now() - back;
        const truth = await truthOf(other, turn);
        for (const read of both) checkReader(truth, read);
        expect(truth.message).toMatchObject({ status: 'complete' });
        return took;
      });
      expect(took).toBeLessThan(RECOVERED_MS);
    },
    LIMIT,
  );

  /** Turns of all kinds, and something is done meanwhile. Resolves with ms from its end until a new turn is answered. */
  async function crowded(name: string, harm: () => Promise<void>): Promise<number> {
    const [one = '', other = ''] = cluster.urls;
    const crowd = await Crowd.start(cluster, CROWD, quit.signal);
    const seen = crowd.seeThrough();
    seen.catch(() => undefined);
    await harm();
    const over = Date.now();
    const body = { text: 'say 5 0 w', messageId: `crowd-${over}` };
    const { turn } = await sendUntilAccepted(other, body);
    expect((await readAll(one, turn)).done.data).toMatchObject({ status: 'completed' });
    const took = Date.now() - over;
    const ends = await seen;
    const settled = Date.now() - over;
    await crowd.check();
    report(
      name,
      [took],
      `all over after ${settled}, ${JSON.stringify(ends)}, ${crowd.recoveries} questions`,
    );
    expect(ends).toEqual({ completed: CROWD });
    expect(await atRest()).toEqual([]);
    return took;
  }

  test('down for so long that every driver stops itself: all is completed, unsafe tools once', async () => {
    const took = await crowded('down for long', async () => {
      await sleep(300);
      await cluster.mongoFaults.down();
      await backAfter(LONG_MS);
    });
    expect(took).toBeLessThan(CAUGHT_UP_MS);
  }, 120_000);

  test('slow, 300 ms an answer: everything works, only later', async () => {
    const took = await crowded('slow', async () => {
      cluster.mongoFaults.slow(300);
      await sleep(HARM_MS);
      cluster.mongoFaults.slow(0);
    });
    expect(took).toBeLessThan(CAUGHT_UP_MS);
  }, 120_000);

  test('its connections are cut again and again: all is completed, unsafe tools once', async () => {
    const took = await crowded('cut', async () => {
      const until = Date.now() + HARM_MS;
      while (Date.now() < until) {
        cluster.mongoFaults.cut();
        await sleep(250);
      }
    });
    expect(took).toBeLessThan(CAUGHT_UP_MS);
  }, 120_000);

  test('it loses answers to writes again and again: all is completed, unsafe tools once', async () => {
    const took = await crowded('lost answers', async () => {
      const until = Date.now() + HARM_MS;
      while (Date.now() < until) {
        cluster.mongoFaults.loseReplies('"status":"', 2);
        await sleep(150);
      }
      cluster.mongoFaults.loseReplies('', 0);
    });
    expect(took).toBeLessThan(CAUGHT_UP_MS);
  }, 120_000);
});
