import { jest } from '@jest/globals';
import { describeChromium, useTabs } from '../../support/browser.ts';
import { useServers } from '../../support/server-process.ts';
import type { ServerProcess } from '../../support/server-process.ts';
import { decisionTests } from './decisions.ts';
import { safetyTests } from './safety.ts';
import type { Scene } from './scene.ts';
import { streamingTests } from './streaming.ts';

/** Browsers are slow on a machine that does much else. */
jest.setTimeout(60_000);

/** The page as a person has it: the built server, a real browser. */
describeChromium('the page', () => {
  const servers = useServers();
  let running: Promise<ServerProcess> | undefined;
  const env = { REPLICA_ID: 'tern-1', DEMO_LEDGER: 'ledger.jsonl' };
  const scene: Scene = {
    servers,
    server: () => (running ??= servers.start(env)),
    tabs: useTabs(),
  };
  streamingTests(scene);
  decisionTests(scene);
  safetyTests(scene);
});
