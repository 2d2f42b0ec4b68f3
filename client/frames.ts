import { type Api, asApiError } from './api.ts';
import { fold } from './fold.ts';
import type { StreamEvent, StreamState } from './types.ts';

/** How far a reader of a generation is. */
export interface Place {
  /** Of the last event; '' before the first one. */
  cursor: string;
  /** Of the last event; 0: not known. */
  seq: number;
  /** Undefined before the first event. */
  state: StreamState | undefined;
}

/** One event further. */
export interface Step extends Place {
  /** The cursor of the place before. */
  before: string;
  event: StreamEvent;
}

export function step({ cursor: before, state }: Place, cursor: string, event: StreamEvent): Step {
  const { seq } = event;
  return { cursor, seq, state: fold(state, event), before, event };
}

interface Frame {
  id: string;
  event: StreamEvent;
}

/** The data frames of what resumableFetch passes on, which is whole frames; comments are left out. */
export function parseFrames(text: string): Frame[] {
  return text.split(/\r?\n\r?\n/).flatMap((block) => {
    const fields: Record<string, string> = {};
    for (const line of block.split(/\r?\n/)) {
      const [, name, value] = /^(id|event|data): ?(.*)$/s.exec(line) ?? [];
      if (name !== undefined && value !== undefined) fields[name] = value;
    }
    const { id = '', event: type, data } = fields;
    return type === undefined || data === undefined
      ? []
      : [{ id, event: { ...JSON.parse(data), type } }];
  });
}

/** A connection of one's own: each event behind `from`, until the terminal one. */
export async function* follow(
  { api, generationId }: { api: Api; generationId: string },
  from: Place,
  signal: AbortSignal,
): AsyncGenerator<Step, void> {
  let place = from;
  try {
    for await (const { id, event } of readFrames(api, { generationId, place, signal })) {
      const next = step(place, id, event);
      place = next;
      yield next;
      if (event.type === 'done') return;
    }
  } catch (error) {
    throw await asApiError(error);
  }
}

async function* readFrames(
  api: Api,
  { generationId, place, signal }: { generationId: string; place: Place; signal: AbortSignal },
): AsyncGenerator<Frame, void> {
  const body = await api.stream(generationId, place.cursor, signal);
  // Safari has no asynchronous iteration of bodies.
  const reader = body?.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const chunk = await reader?.read();
      if (!chunk?.value) return;
      yield* parseFrames(decoder.decode(chunk.value, { stream: true }));
    }
  } finally {
    // It fails where the connection has failed.
    reader?.cancel().catch(() => {});
  }
}
