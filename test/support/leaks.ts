import { afterAll, beforeAll } from '@jest/globals';

/**
 * Every suite fails if a socket, server, child process or timer that keeps the process alive outlives it.
 * Unref'd timers are covered by the fake clock's own count in unit suites.
 */
const WATCHED = new Set([
  'TCPSocketWrap',
  'TCPServerWrap',
  'PipeWrap',
  'ProcessWrap',
  'Timeout',
  'FSReqCallback',
]);

function census(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (WATCHED.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

function grown(before: Map<string, number>): string[] {
  return [...census()]
    .filter(([kind, count]) => count > (before.get(kind) ?? 0))
    .map(([kind, count]) => `${kind}: ${before.get(kind) ?? 0} -> ${count}`);
}

let before = new Map<string, number>();

beforeAll(() => {
  before = census();
});

afterAll(async () => {
  // Closing sockets and exiting children need a while on a busy machine; a leak stays.
  for (let turn = 0; turn < 150 && grown(before).length > 0; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const leaks = grown(before);
  if (leaks.length > 0) throw new Error(`outlived the suite: ${leaks.join(', ')}`);
});
