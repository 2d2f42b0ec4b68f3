import type { EventTransport, LogInfo, StoredEvent } from '../../stream/event-transport.ts';
import { assertAppendable, EMPTY_LOG, judgeAppend, ReadBudget } from '../log-rules.ts';
import { LogWatchers } from '../log-watchers.ts';

interface Log {
  info: LogInfo;
  events: StoredEvent[];
}

/** Logs in this process only, gone with it. Each method does its work before it first yields, which makes it atomic. */
export function createMemoryEventTransport(): EventTransport {
  const logs = new Map<string, Log>();
  const watchers = new LogWatchers((id) => logs.get(id)?.info.head ?? 0);

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
      const { result, next } = judgeAppend(log?.info, request, (after, limit) => {
        return log?.events.slice(after, after + limit) ?? [];
      });
      if (!log || !next) return result;
      const grew = next.head > log.info.head;
      log.info = next;
      if (!grew) return result;
      for (const event of request.events) log.events.push(Object.freeze({ ...event }));
      watchers.notify(request.generationId);
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
      for (let at = after; at < log.events.length; at += 1) {
        const event = log.events[at];
        if (!event || !budget.take(event)) break;
      }
      return { events: budget.events, info: { ...log.info } };
    },

    watch: (listener) => watchers.watch(listener),

    async drop(generationId) {
      if (logs.delete(generationId)) watchers.notify(generationId);
    },

    async list(cursor, limit) {
      const behind = [...logs.keys()].filter((id) => cursor === undefined || id > cursor);
      const generationIds = behind.toSorted().slice(0, limit);
      return { generationIds, cursor: behind.length > limit ? generationIds.at(-1) : undefined };
    },

    async ping() {},
  };
}
