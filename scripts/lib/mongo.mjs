import { say } from './house.mjs';

/**
 * The MongoDB of a test run: `MONGODB_URI`, else a throw-away server of mongodb-memory-server-core, which must download
 * it the first time. Decided here once, since finding out that it can't takes seconds. `uri` is '' where there is none;
 * the suites that need one then say that they are skipped, or fail if REQUIRE_SERVICES=1.
 */
export async function mongoForTests(env) {
  if (env.MONGODB_URI) return { uri: env.MONGODB_URI, stop: async () => {} };
  try {
    const { MongoMemoryReplSet } = await import('mongodb-memory-server-core');
    const server = await MongoMemoryReplSet.create({ replSet: { count: 1 } });
    return { uri: server.getUri(), stop: () => server.stop() };
  } catch (error) {
    say(`no MongoDB: MONGODB_URI is not set, and none can be had (${firstLine(error)})`);
    return { uri: '', stop: async () => {} };
  }
}

function firstLine(error) {
  return String(error instanceof Error ? error.message : error).split('\n', 1)[0];
}
