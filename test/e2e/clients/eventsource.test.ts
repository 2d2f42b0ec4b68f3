import { describe, expect, test } from '@jest/globals';
import { EventSource } from 'eventsource';
import { startTurn } from '../../support/api.ts';
import { startCuttingProxy } from '../../support/proxy.ts';
import { seeded } from '../../support/random.ts';
import { useServers } from '../../support/server-process.ts';

/** The stock eventsource package on the native stream: it reconnects by itself, and 204 ends it. */
describe('eventsource', () => {
  const servers = useServers();

  test('goes on behind the last event over a cut, is told of a reset, and is ended by 204', async () => {
    const server = await servers.start({ PROFILE: 'memory' });
    // It lasts until the client is there: what is over comes in fewer bytes, perhaps too few for the cut.
    const turn = await startTurn(server.baseUrl, { text: 'say 80 30' });
    let connections = 0;
    const proxy = await startCuttingProxy({
      baseUrl: server.baseUrl,
      random: seeded(7),
      budget: () => (++connections < 2 ? 3_000 : Infinity),
    });
    const asked: (string | null)[] = [];
    const statuses: number[] = [];
    const ids: string[] = [];
    let said = '';
    const source = new EventSource(`${proxy.baseUrl}${turn.streamPath}`, {
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        asked.push(new Headers(init?.headers).get('last-event-id'));
        statuses.push(response.status);
        return response;
      },
    });
    for (const type of ['created', 'text_delta', 'usage', 'title', 'done']) {
      source.addEventListener(type, ({ lastEventId, data }) => {
        ids.push(lastEventId);
        if (type === 'text_delta') said += String(JSON.parse(data).text);
      });
    }
    await new Promise<void>((over) => {
      source.addEventListener('error', () => {
        if (source.readyState === EventSource.CLOSED) over();
      });
    });
    await proxy.close();

    expect(said).toBe(Array.from({ length: 80 }, (_, n) => `word${n + 1}`).join(' '));
    expect(new Set(ids).size).toBe(ids.length);
    expect(statuses.at(-1)).toBe(204);
    expect(asked[0]).toBeNull();
    expect(asked.slice(1).every((id) => id !== null && ids.includes(id))).toBe(true);
    expect(proxy.cuts.reset + proxy.cuts.clean).toBe(1);

    const reset = await new Promise<string>((resolve) => {
      const foreign = new EventSource(`${server.baseUrl}${turn.streamPath}?after=abcdef.1.1`);
      foreign.addEventListener('reset', ({ data }) => {
        foreign.close();
        resolve(data);
      });
    });
    expect(JSON.parse(reset)).toMatchObject({ reason: 'malformed', state: { message: {} } });
  }, 30_000);
});
