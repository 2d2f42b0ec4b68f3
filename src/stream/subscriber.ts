import { notFound } from '../errors.ts';
import { catchUp } from './catch-up.ts';
import type { ConversationStore } from './conversation-store.ts';
import { parseCursor, tagOf, type Cursor } from './cursor.ts';
import { isAtEnd, readDurableRecord } from './durable-record.ts';
import type { FrameSink, Reader, ReadFrom, Subscribed } from './generations.ts';
import type { FinishedJob, Job } from './job.ts';
import type { LogRepair } from './log-repair.ts';
import type { LogView } from './log-view.ts';
import { StreamReader, type ReaderDeps, type Start } from './stream-reader.ts';

export interface SubscriberDeps extends ReaderDeps {
  conversations: ConversationStore;
  repair: Pick<LogRepair, 'open'>;
}

/** Opens readers on logs (docs/PROTOCOL.md section 3). */
export class Subscriber {
  readonly #deps: SubscriberDeps;

  constructor(deps: SubscriberDeps) {
    this.#deps = deps;
  }

  async subscribe(job: Job, from: ReadFrom): Promise<Subscribed> {
    const cursor = from.cursor ? (parseCursor(from.cursor) ?? 'malformed') : undefined;
    const view = await this.#deps.repair.open(job);
    if (view) {
      const known = typeof cursor === 'object' && own(job.generationId, cursor);
      const current = known ? await catchUp(view, { job, at: cursor }, this.#deps) : view;
      return this.#live(current, { ...from, cursor });
    }
    // The log is past its retention, or was lost with its store.
    if (job.status === 'finished') return this.#record(job, cursor);
    // It is still to be made, or to be made again, by its driver.
    return { outcome: 'later' };
  }

  #live(
    view: LogView,
    from: Omit<ReadFrom, 'cursor'> & { cursor: Cursor | 'malformed' | undefined },
  ): Subscribed {
    const start = startOf(view, from);
    if (start.from === 'cursor' && view.closed && start.at.seq === view.head.seq) {
      return { outcome: 'at_end' };
    }
    return {
      outcome: 'open',
      open: (sink) => {
        const { hub } = this.#deps;
        const resident = hub.resident(view);
        const reader = new StreamReader({ view: resident, sink, start }, this.#deps);
        reader.pump();
        hub.tune(resident);
        return reader;
      },
    };
  }

  async #record(job: FinishedJob, cursor: Cursor | 'malformed' | undefined): Promise<Subscribed> {
    if (cursor && cursor !== 'malformed' && own(job.generationId, cursor) && isAtEnd(job, cursor)) {
      return { outcome: 'at_end' };
    }
    const record = await readDurableRecord(this.#deps.conversations, job);
    if (!record) throw notFound('stream');
    this.#deps.metrics.reset('expired');
    return { outcome: 'open', open: (sink) => sendWhole(sink, record.frames('expired')) };
  }
}

function own(generationId: string, cursor: Cursor): boolean {
  return cursor.tag === tagOf(generationId);
}

function startOf(
  view: LogView,
  {
    cursor,
    snapshot,
    exact = false,
  }: Omit<ReadFrom, 'cursor'> & { cursor: Cursor | 'malformed' | undefined },
): Start {
  if (snapshot) return { from: 'snapshot' };
  if (cursor === undefined && exact) return { from: 'cursor', at: { fence: 0, seq: 0 } };
  if (cursor === undefined) return { from: 'start' };
  if (cursor === 'malformed' || !own(view.generationId, cursor)) {
    return { from: 'reset', reason: 'malformed' };
  }
  return view.contains(cursor)
    ? { from: 'cursor', at: cursor }
    : { from: 'reset', reason: 'epoch' };
}

function sendWhole(sink: FrameSink, frames: Uint8Array): Reader {
  sink.write(frames, true);
  sink.end();
  return { drained() {}, close() {} };
}
