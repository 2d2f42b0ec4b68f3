import type { Tabs } from '../../support/browser.ts';
import type { ServerProcess, Servers } from '../../support/server-process.ts';

/** What the tests of the page share: browsers and servers take longer to start than most of them take. */
export interface Scene {
  servers: Servers;
  /** The common one; REPLICA_ID is tern-1, and the demo tools write to ledger.jsonl. */
  server: () => Promise<ServerProcess>;
  tabs: Tabs;
}
