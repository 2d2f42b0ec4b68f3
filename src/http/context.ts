import type { Logger } from 'pino';
import type { ContentGuard } from '../admission/admission.ts';
import type { AgentCard } from '../agent/agent-runner.ts';
import type { Config } from '../config/config.ts';
import type { Files } from '../files/files.ts';
import type { Approvals } from '../hitl/approvals.ts';
import type { Clock } from '../lib/clock.ts';
import type { Ids } from '../lib/ids.ts';
import type { Tracer } from '../lib/tracing.ts';
import type { ConversationStore } from '../stream/conversation-store.ts';
import type { Owner } from '../stream/owner.ts';
import type { Generations } from '../stream/generations.ts';
import type { UsageReports } from '../usage/usage-report.ts';
import type { AppMetrics } from './metrics.ts';
import type { OpenStreams } from './open-streams.ts';

/** All that the HTTP side needs; the composition root makes it. */
export interface AppContext {
  config: Pick<
    Config,
    'server' | 'auth' | 'allowedOrigins' | 'limits' | 'protocols' | 'replicaId' | 'stream'
  >;
  generations: Generations;
  conversations: ConversationStore;
  approvals: Approvals;
  files: Files;
  userData: {
    export(owner: Owner): AsyncIterable<object>;
    /** When it was asked for, ISO time. */
    erase(owner: Owner): Promise<string>;
  };
  usage: UsageReports;
  /** Of texts that do not come with a turn or an answer. */
  content: Pick<ContentGuard, 'title' | 'history'>;
  /** As they are now; the default one first. */
  agents(): readonly AgentCard[];
  /** True where the server can choose an agent: clients may name `auto`. */
  routed(): boolean;
  clock: Clock;
  /** The stores' clock, epoch ms: when something is over. */
  now(): Promise<number>;
  ids: Ids;
  logger: Logger;
  metrics: AppMetrics;
  openStreams: OpenStreams;
  /** Where not given nothing is recorded. */
  tracer?: Tracer;
  /** Rejects while a store can't be used. */
  readiness(): Promise<void>;
  /** True from SIGTERM on: no new work. */
  isDraining(): boolean;
}
