import { expect, test } from '@jest/globals';
import { buildSync } from 'esbuild';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { Page } from 'playwright-core';
import { describeChromium, useTabs } from '../../support/browser.ts';
import { useServers } from '../../support/server-process.ts';

const LIBRARY = buildSync({
  entryPoints: ['client/index.ts'],
  bundle: true,
  format: 'iife',
  globalName: 'holdfast',
  write: false,
}).outputFiles[0]?.text;

/** A page with the library, in front of the product; it counts the streams that are open. */
async function servePage(backend: string) {
  const streams: string[] = [];
  const server = createServer((req, res) => {
    if (!req.url?.startsWith('/api/')) {
      res
        .writeHead(200, { 'content-type': 'text/html' })
        .end(`<!doctype html><link rel="icon" href="data:,"><script>${LIBRARY}</script>`);
      return;
    }
    const { method, headers, url } = req;
    if (url.startsWith('/api/chat/stream/')) streams.push(String(headers['last-event-id'] ?? ''));
    const onward = request(new URL(url, backend), { method, headers, agent: false }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    onward.on('error', () => res.destroy());
    res.on('close', () => onward.destroy());
    req.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('it listens nowhere');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    streams,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const CHAT = `const chat = holdfast.createChatClient({ baseUrl: '' });`;

/** The tab reads the conversation; `last` of the page is the state that it has. */
const follow = (page: Page, conversationId: string): Promise<void> =>
  page.evaluate(`(async () => {
    ${CHAT}
    const turn = await chat.attach('${conversationId}');
    (async () => {
      for await (const state of turn.states()) window.last = state;
    })();
  })()`);

const hasStatus = (page: Page, status: string) =>
  page.waitForFunction(`window.last?.status === '${status}'`);

describeChromium('the chat client in several tabs', () => {
  const servers = useServers();
  const tabs = useTabs();

  test('four tabs read by one connection, and go on when the leader closes', async () => {
    const server = await servers.start({ PROFILE: 'memory' });
    const site = await servePage(server.baseUrl);
    try {
      const first = await tabs.open(site.url);
      const conversationId = String(
        await first.evaluate(
          `(async () => { ${CHAT} return (await chat.send('approve')).conversationId; })()`,
        ),
      );
      await follow(first, conversationId);
      await hasStatus(first, 'paused');
      const others: Page[] = [];
      while (others.length < 3) others.push(await tabs.open(site.url));
      for (const page of others) await follow(page, conversationId);
      await Promise.all(others.map((page) => hasStatus(page, 'paused')));
      expect(site.streams).toHaveLength(1);

      await first.close();
      await others[2]?.evaluate(`(async () => {
        ${CHAT}
        const [{ toolCallId }] = last.pendingAction.requests;
        await chat.decide(last.pendingAction, [{ toolCallId, decision: 'approve' }]);
      })()`);
      await Promise.all(others.map((page) => hasStatus(page, 'completed')));
      const ends = await Promise.all(others.map((page) => page.evaluate('last')));

      expect(ends).toEqual(others.map(() => ends[0]));
      expect(ends[0]).toMatchObject({
        message: { content: expect.arrayContaining([expect.objectContaining({ status: 'ok' })]) },
      });
      // The second one goes on where the follower was.
      expect(site.streams).toEqual([expect.any(String), expect.stringMatching(/^\w+\.\w+\.\w+$/)]);
    } finally {
      await site.close();
    }
  }, 60_000);
});
