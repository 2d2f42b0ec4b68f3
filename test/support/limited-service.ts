import type { OwnAgent } from '../../src/agent/own-graph.ts';
import { loadConfig } from '../../src/config/config.ts';
import { NO_FILE } from '../../src/config/file/live.ts';
import type { ConfigFile } from '../../src/config/file/schema.ts';
import type { ContentHook } from '../../src/content/hooks.ts';
import { createContext } from '../../src/context.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { Releasers } from '../../src/lib/releasers.ts';
import { createLoggers } from '../../src/logger.ts';
import { request, turnOf, type ApiAnswer, type Turn } from './api.ts';
import { eventually } from './services.ts';
import { isShape, type Shape } from './shape.ts';

export interface LimitedService {
  url: string;
  /** What stands in the file; each change holds at once, as after a reload. */
  file: { current: ConfigFile };
  /** Lines of the log, as they are. */
  log: string[];
  chat(text: string, over?: Shape): Promise<ApiAnswer>;
  /** A turn that is accepted, and its state when it waits or is over. */
  turn(text: string, over?: Shape): Promise<{ turn: Turn; state: Shape; frames: string }>;
  stop(): Promise<void>;
}

/** The service with the demo agents, or those given, under limits of a file; in memory where `env` does not say. */
export async function startLimitedService(
  { env = {}, ...part }: Partial<ConfigFile> & { env?: Record<string, string> },
  content: readonly ContentHook[] = [],
  agents?: readonly OwnAgent[],
): Promise<LimitedService> {
  const file = { current: { ...NO_FILE, ...part } };
  const log: string[] = [];
  const releasers = new Releasers();
  const context = await createContext(loadConfig({ PROFILE: 'memory', ...env }), {
    file,
    content,
    ...(agents && { agents }),
    loggers: createLoggers({
      level: 'info',
      replicaId: 'limited',
      destination: { write: (line: string) => void log.push(line) },
    }),
  });
  releasers.add(async () => context[Symbol.asyncDispose]());
  const server = createHttpServer(context.app);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  releasers.add(async () => {
    context.openStreams.destroyAll();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  context.start();
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  const chat = (text: string, over: Shape = {}): Promise<ApiAnswer> =>
    request(url, { path: '/api/chat', body: { text, ...over } });

  async function settled(turn: Turn): Promise<Shape> {
    let state: Shape = {};
    await eventually('the answer waits or is over', async () => {
      const path = `/api/chat/status/${turn.conversationId}`;
      const { generation } = (await request(url, { path })).json;
      state = isShape(generation) ? generation : {};
      return !['queued', 'running'].includes(String(state['status']));
    });
    return state;
  }

  return {
    url,
    file,
    log,
    chat,
    async turn(text, over) {
      const turn = turnOf((await chat(text, over)).json);
      const state = await settled(turn);
      const waits = state['status'] === 'paused';
      const frames = waits ? '' : (await request(url, { path: turn.streamPath })).text;
      return { turn, state, frames };
    },
    stop: () => releasers.release(),
  };
}
