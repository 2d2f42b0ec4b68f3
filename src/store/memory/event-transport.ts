import type { EventTransport, LogInfo, StoredEvent } from '../../stream/event-transport.ts';
import { assertAppendable, EMPTY_LOG, judgeAppend, ReadBudget, trimmed } from '../log-rules.ts';
import { LogWaiters } from '../log-waiters.ts';

interface Log {
  info: LogInfo;
  /** Entries from `info.first` on. */
  events: StoredEvent[];
}

/** Logs in this process only, gone with it. Each method does its work before it first yields, which makes it atomic. */
export function createMemoryEventTransport(): EventTransport {
  const logs = new Map<string, Log>();
  const waiters = new LogWaiters();

  return {
    async create(generationId) {
      if (!logs.has(generationId)) logs.set(generationId, { info: EMPTY_LOG, events: [] });
    },

    async fence(generationId, fence) {
      const log = logs.get(generationId);
      if (!log) return undefined;
      if (fence < log.info.fence) return { outcome: 'stale_fence', fence: log.info.fence };
      log.info = { ...log.info, fence };
      return { ...log.info };
    },

    async append(request) {
      assertAppendable(request);
      const log = logs.get(request.generationId);
      const { result, next } = judgeAppend(log?.info, request);
      if (!log || !next) return result;
      log.info = next;
      if (result.outcome !== 'appended') return result;
      for (const event of request.events) log.events.push(Object.freeze({ ...event }));
      waiters.notify(request.generationId, result.head);
      return result;
    },

    async info(generationId) {
      const log = logs.get(generationId);
      return log && { ...log.info };
    },

    async read(generationId, { after, limit, maxBytes }) {
      const log = logs.get(generationId);
      if (!log) return undefined;
      const budget = new ReadBudget({ limit, maxBytes });
      for (let at = Math.max(0, after + 1 - log.info.first); at < log.events.length; at += 1) {
        const event = log.events[at];
        if (!event || !budget.take(event)) break;
      }
      return { events: budget.events, info: { ...log.info } };
    },

    wait(have, signal) {
      return waiters.wait(have, signal, (id) => logs.get(id)?.info.head ?? 0);
    },

    async trim(generationId, upTo) {
      const log = logs.get(generationId);
      if (!log) return;
      const info = trimmed(log.info, upTo);
      log.events.splice(0, info.first - log.info.first);
      log.info = info;
    },

    async drop(generationId) {
      logs.delete(generationId);
    },

    async ping() {},
  };
}
