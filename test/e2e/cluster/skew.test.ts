import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
} from 'node:http';
import { json } from 'node:stream/consumers';
import { request, startTurn, type Turn } from '../../support/api.ts';
import { describeMongo, type MongoUnderTest } from '../../support/mongo-service.ts';
import { callsOf, decideAll, resume, WaitingTurn, within } from '../../support/race-client.ts';
import { describeRedis, eventually, type RedisServer, startRedis } from '../../support/services.ts';
import { isShape, object, type Shape, text } from '../../support/shape.ts';
import { readConnection } from '../../support/sse-client.ts';
import { type SkewedReplica, startSkewed } from '../../support/skewed-replica.ts';
import { checkReader, readAll, truthOf } from '../../support/truth.ts';

/** Two replicas whose clocks are ten minutes apart: all that is due goes by the clock of the store. */

const SKEW_MS = 5 * 60_000;
/** How far a time may be from ours: the store's clock, and a busy machine. */
const NEAR_MS = 30_000;
const TTL_MS = 3_000;
const ENV = {
  LEASE_TTL: '2500ms',
  SCAN_INTERVAL: '1s',
  STREAM_RETENTION: '3s',
  APPROVAL_TTL: `${TTL_MS}ms`,
  APPROVAL_WARN_BEFORE: '2s',
  WEBHOOK_SECRET: 'a secret of the receiver, long enough',
  MAX_GENERATIONS_PER_USER: '100',
};
const PATIENCE_MS = 30_000;

interface Hook {
  headers: IncomingHttpHeaders;
  body: Shape;
}

async function drives({ baseUrl }: SkewedReplica): Promise<boolean> {
  const { text: metrics } = await request(baseUrl, { path: '/metrics' });
  return /^holdfast_generations_in_flight [1-9]/m.test(metrics);
}

/** With what a reader begins that has nothing yet. */
async function firstEvent(baseUrl: string, turn: Turn): Promise<string | undefined> {
  const { frames } = await readConnection({ baseUrl, path: turn.streamPath, entry: 'fresh' });
  return frames[0]?.event;
}

/** Words are heard before they are durable: of twenty the first ones are, as they take four flush windows to be made. */
async function hearsWords(baseUrl: string, turn: Turn): Promise<void> {
  await eventually('it speaks', async () => {
    let heard = '';
    await readConnection({
      baseUrl,
      path: turn.streamPath,
      entry: 'fresh',
      onFrame: ({ event, data }) => {
        if (event === 'text_delta') heard += text(data['text']);
        return heard.includes('w20 ') ? false : undefined;
      },
    });
    return heard.includes('w20 ');
  });
}

function isNear(time: number): boolean {
  return Math.abs(time - Date.now()) < NEAR_MS;
}

describeRedis('clocks that are wrong', () => {
  describeMongo('clocks that are wrong', (mongo: MongoUnderTest) => {
    let redis: RedisServer;
    let receiver: Server;
    let hooks: Hook[] = [];
    const quit = new AbortController();
    const named = (event: string): Hook[] => hooks.filter(({ body }) => body['event'] === event);
    const take = async (request: IncomingMessage): Promise<void> => {
      const body = object(await json(request));
      hooks.push({ headers: request.headers, body });
    };

    beforeAll(async () => {
      redis = await startRedis({ aof: true });
      receiver = createServer((request, response) => {
        void take(request).finally(() => response.writeHead(204).end());
      }).listen(0, '127.0.0.1');
      await once(receiver, 'listening');
    });
    afterAll(async () => {
      quit.abort();
      receiver.closeAllConnections();
      receiver.close();
      await redis[Symbol.asyncDispose]();
    });

    // Either way one is ahead and one behind: SKEWS=2 changes places, too.
    const ways: [string, number][] = [
      ['ahead', SKEW_MS],
      ['behind', -SKEW_MS],
    ];
    describe.each(ways.slice(0, Number(process.env['SKEWS'] ?? 1)))(
      'the first replica is five minutes %s, the other as far the other way',
      (_name, skew) => {
        let first: SkewedReplica;
        let other: SkewedReplica;

        beforeEach(async () => {
          hooks = [];
          const address = receiver.address();
          const port = typeof address === 'object' && address ? address.port : 0;
          const env = { ...ENV, WEBHOOK_URL: `http://127.0.0.1:${port}/` };
          const at = { redisPort: redis.port, mongoUri: mongo.uri, env };
          [first, other] = await Promise.all([
            startSkewed({ ...at, skew }),
            startSkewed({ ...at, skew: -skew }),
          ]);
        });
        afterEach(async () => {
          for (const replica of [first, other]) await replica[Symbol.asyncDispose]();
        });

        test('an answer longer than a lease stays with its driver, and its log stays as long as it must', async () => {
          const turn = await startTurn(first.baseUrl, { text: 'say 350 10 w' });
          const read = await readAll(other.baseUrl, turn);
          const ended = Date.now();

          checkReader(await truthOf(first.baseUrl, turn), read);
          const types = read.frames.map(({ event }) => event);
          expect(types).not.toContain('segment');
          expect(types).not.toContain('reset');
          await eventually(
            'its log is past its retention',
            async () => {
              // The one that drops it knows at once; the other may have it in memory.
              const began = await Promise.all(
                [first, other].map(({ baseUrl }) => firstEvent(baseUrl, turn)),
              );
              return began.includes('reset');
            },
            PATIENCE_MS,
          );
          expect(Date.now() - ended).toBeGreaterThan(2_000);
        }, 60_000);

        test('a pause expires by the clock of the store, neither at once nor late, and each webhook is dated by it', async () => {
          const body = { text: 'approve' };
          const { signal } = quit;
          const late = await WaitingTurn.start(first.baseUrl, { body, signal });
          const action = await within(late.asked(), PATIENCE_MS, () => 'nobody asks');
          const expiresAt = Date.parse(text(action?.['expiresAt']));
          expect(isNear(expiresAt)).toBe(true);
          // In time for the other replica, whose clock says that it is long over, or not yet made.
          const inTime = await WaitingTurn.start(first.baseUrl, { body, signal });
          const asked = await within(inTime.asked(), PATIENCE_MS, () => 'nobody asks');
          if (!asked) throw new Error('nothing to decide');
          expect(callsOf(asked)).toHaveLength(1);
          const said = await resume(other.baseUrl, decideAll(asked, { decision: 'approve' }));
          expect(said.status).toBe(202);

          expect((await inTime.read).done.data).toMatchObject({ status: 'completed' });
          const { done, frames } = await within(late.read, PATIENCE_MS, () => 'it does not expire');
          expect(done.data).toMatchObject({ status: 'expired' });
          expect(Date.parse(text(done.data['at']))).toBeGreaterThanOrEqual(expiresAt);
          expect(frames.map(({ event }) => event)).toContain('action_expiring');
          // In any order: two replicas send them.
          const came = (): boolean =>
            named('generation.finished').length === 2 &&
            named('approval.expired').length > 0 &&
            named('approval.decided').length > 0;
          await eventually('all webhooks came', came, PATIENCE_MS);
          expect(named('approval.expired')).toHaveLength(1);
          expect(named('approval.decided')).toHaveLength(1);
          const ids = hooks.map(({ body: hook }) => hook['id']);
          expect(new Set(ids).size).toBe(ids.length);
          for (const { headers, body: hook } of hooks) {
            expect(isNear(1_000 * Number(headers['holdfast-timestamp']))).toBe(true);
            expect(isNear(Date.parse(String(hook['createdAt'])))).toBe(true);
          }
        }, 60_000);

        test('a driver that lost its stores is taken over, by the lease', async () => {
          const turn = await startTurn(first.baseUrl, { text: 'say 250 20 w' });
          await hearsWords(first.baseUrl, turn);
          await eventually('one of them drives it', async () => {
            return (await drives(first)) !== (await drives(other));
          });
          const driver = (await drives(first)) ? first : other;
          await driver.cutOff();
          // Its readers come back to the one that is left.
          const survivor = driver === first ? other : first;
          const { done } = await within(
            readAll(survivor.baseUrl, turn),
            PATIENCE_MS,
            () => 'nobody takes over',
          );
          // Where words were withdrawn from it, a reset told it of the recovery too: whoever comes now is told by the log.
          const { frames } = await readAll(survivor.baseUrl, turn);
          await driver.reconnect();

          expect(done.data).toMatchObject({ status: 'completed' });
          const reasons = frames.filter(({ data }) => isShape(data) && 'reason' in data);
          expect(reasons.map(({ data }) => data['reason'])).toContain('recovered');
          expect(survivor.errors).toEqual([]);
        }, 60_000);
      },
    );
  });
});
