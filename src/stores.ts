import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CheckpointIndex, Checkpoints } from './agent/checkpoints.ts';
import type { Config } from './config/config.ts';
import type { FileStore } from './files/file-store.ts';
import type { ApprovalStore, Outbox } from './hitl/approval-store.ts';
import { NO_OUTBOX } from './hitl/webhooks.ts';
import type { Clock } from './lib/clock.ts';
import type { Log } from './lib/log.ts';
import type { Releasers } from './lib/releasers.ts';
import {
  createMemoryEventTransport,
  createMemoryJobStore,
  LocalHintBus,
} from './store/memory/index.ts';
import {
  createSqliteApprovalStore,
  createSqliteCheckpoints,
  createSqliteConversationStore,
  createSqliteErasureStore,
  createSqliteEventTransport,
  createSqliteFileStore,
  createSqliteJobStore,
  createSqliteOutbox,
  createSqliteUsageStore,
  dropTombstones,
  endLeases,
  openDatabase,
  openFileDisk,
} from './store/sqlite/index.ts';
import type { ConversationStore } from './stream/conversation-store.ts';
import type { EventTransport } from './stream/event-transport.ts';
import type { ErasureStore } from './user-data/erasure-store.ts';
import type { Hints } from './stream/hints.ts';
import type { JobStore } from './stream/job-store.ts';
import type { UsageStore } from './usage/usage-store.ts';

/** Chooses the adapters of a profile: a part of the composition root. */

export interface Stores {
  jobs: JobStore;
  transport: EventTransport;
  hints: Hints;
  conversations: ConversationStore;
  approvals: ApprovalStore;
  outbox: Outbox;
  usage: UsageStore;
  checkpoints: Checkpoints & CheckpointIndex;
  files: FileStore;
  erasures: ErasureStore;
}

export interface Place {
  clock: Clock;
  log: Log;
  /** What is opened is added here, also where opening the rest fails. */
  releasers: Releasers;
}

/** Rejects with a sentence for the operator where a store can't be had. */
export async function openStores(config: Config, place: Place): Promise<Stores> {
  if (!config.cluster) return openFile(config, place);
  // Loaded by those who need them only: the clients of Redis and MongoDB are a third of the time that a start takes.
  const { openCluster } = await import('./stores-cluster.ts');
  return openCluster(config, place);
}

/** Where the bytes of files are: beside the database, or, where nothing is kept, in a folder that goes with us. */
function folderOf({ profile, dataDir }: Config, releasers: Releasers): string {
  if (profile !== 'memory') return join(dataDir, 'files');
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-files-'));
  releasers.add(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function openFile(config: Config, { clock, releasers }: Place): Stores {
  const inMemory = config.profile === 'memory';
  const db = openDatabase(inMemory ? ':memory:' : join(config.dataDir, 'holdfast.db'));
  releasers.add(() => void db.close());
  const kept = {
    conversations: createSqliteConversationStore({ db }),
    approvals: createSqliteApprovalStore({ db }),
    outbox: config.webhooks ? createSqliteOutbox({ db }) : NO_OUTBOX,
    usage: createSqliteUsageStore({ db }),
    checkpoints: createSqliteCheckpoints({ db }),
    erasures: createSqliteErasureStore({ db }),
    files: createSqliteFileStore({ db, disk: openFileDisk(folderOf(config, releasers)) }),
    // One process: there is nobody to tell.
    hints: new LocalHintBus().connect(),
  };
  if (inMemory) {
    const jobs = createMemoryJobStore({ clock });
    return { ...kept, jobs, transport: createMemoryEventTransport() };
  }
  // One process holds the file, so whoever held a lease in it is dead.
  endLeases(db);
  dropTombstones(db);
  return {
    ...kept,
    jobs: createSqliteJobStore({ db, clock }),
    transport: createSqliteEventTransport({ db }),
  };
}
