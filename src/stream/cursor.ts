/**
 * A cursor names the last event that a reader has: `<tag>.<fence>.<seq>`. `tag` tells the generation, and (fence, seq)
 * names an entry for good: if the log has an entry of that fence at that place, then everything before it is the same
 * too, because a driver appends only after it fenced the log at what was durable (the log matching property of Raft,
 * Ongaro & Ousterhout 2014, section 5.3). A delta that a crash withdrew is thereby never mistaken for its successor.
 */
export interface Position {
  fence: number;
  seq: number;
}

export interface Cursor extends Position {
  tag: string;
}

const FORM = /^([0-9a-z]{6})\.(0|[1-9]\d{0,8})\.([1-9]\d{0,8})$/;

/** Ends of ids are random: enough to tell a cursor of another generation from a lost one. */
export function tagOf(generationId: string): string {
  return generationId.slice(-6);
}

export function formatCursor(generationId: string, position: Position): string {
  return `${tagOf(generationId)}.${position.fence}.${position.seq}`;
}

/** Undefined where the text is no cursor at all. */
export function parseCursor(text: string): Cursor | undefined {
  const [, tag, fence, seq] = FORM.exec(text) ?? [];
  if (tag === undefined) return undefined;
  return { tag, fence: Number(fence), seq: Number(seq) };
}
