import type { Position } from '../stream/cursor.ts';
import { formatCursor, parseCursor, tagOf } from '../stream/cursor.ts';
import type { LogEvent } from '../stream/events.ts';

/** A cursor of a protocol's stream names a frame: the event's cursor, and the frame's number among those of the event. */
export interface FramePosition extends Position {
  /** From 0. */
  frame: number;
}

const FORM = /^(.*)\.(0|[1-9]\d{0,5})$/;

export function formatFrameCursor(generationId: string, at: FramePosition): string {
  return `${formatCursor(generationId, at)}.${at.frame}`;
}

/** Undefined where the text is no cursor of this generation. */
export function parseFrameCursor(generationId: string, text: string): FramePosition | undefined {
  const [, event = '', frame] = FORM.exec(text) ?? [];
  const cursor = parseCursor(event);
  if (!cursor || cursor.tag !== tagOf(generationId)) return undefined;
  return { fence: cursor.fence, seq: cursor.seq, frame: Number(frame) };
}

/**
 * How many of an event's frames a reader with this cursor has. An event that took the place of one that a crash
 * withdrew has a higher fence, and so have all behind it: the reader has none of them, whatever their numbers.
 */
export function framesHeld(at: FramePosition | undefined, { seq, fence }: LogEvent): number {
  if (!at || fence > at.fence || seq > at.seq) return 0;
  return seq < at.seq || fence < at.fence ? Infinity : at.frame + 1;
}
