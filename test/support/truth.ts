import { getJson, type Turn } from './api.ts';
import { hashOfContent } from './client-fold.ts';
import { isShape, list, type Shape, text } from './shape.ts';
import { readConnection, type ReadResult, readWithResume } from './sse-client.ts';
import type { Frame } from './sse-parser.ts';
import { describe } from './stream-rules.ts';

/** The log of a finished generation and its message in the history: what every reader must agree with. */
export interface Truth {
  /** Every event as it is in the log. */
  log: Map<number, Frame>;
  /** The assistant's message as `GET /api/conversations/:id/messages` has it. */
  message: Shape;
}

export async function messagesOf(baseUrl: string, conversationId: string): Promise<Shape[]> {
  const all: Shape[] = [];
  const path = `/api/conversations/${conversationId}/messages?limit=50`;
  for (let query = ''; ;) {
    const page = await getJson(baseUrl, path + query);
    all.push(...list(page['items'], 'items').filter(isShape));
    if (page['nextCursor'] === null) return all;
    query = `&cursor=${encodeURIComponent(text(page['nextCursor'], 'nextCursor'))}`;
  }
}

/**
 * Reads the finished stream exactly: `created` is never coalesced, and after its cursor nothing is. The history is
 * asked only after `done`, which promises that the message is durable.
 */
export async function truthOf(baseUrl: string, turn: Turn): Promise<Truth> {
  const target = { baseUrl, path: turn.streamPath };
  const first: Frame[] = [];
  await readConnection({
    ...target,
    entry: 'fresh',
    onFrame: (frame) => {
      first.push(frame);
      return false;
    },
  });
  const [created] = first;
  if (created?.event !== 'created') throw new Error('a log begins with created');
  const rest = await readConnection({ ...target, entry: 'cursor', cursor: created });
  const log = new Map([created, ...rest.frames].map((frame) => [frame.seq, frame]));
  const last = rest.frames.at(-1);
  if (last?.event !== 'done' || rest.ending !== 'clean') throw new Error('the log has no end');
  if (log.size !== last.seq) throw new Error(`${log.size} events up to ${last.seq}`);
  const terminals = [...log.values()].filter((frame) => frame.event === 'done').length;
  if (terminals !== 1) throw new Error(`${terminals} terminal events`);
  return { log, message: await answerOf(baseUrl, turn) };
}

async function answerOf(baseUrl: string, turn: Turn): Promise<Shape> {
  const all = await messagesOf(baseUrl, turn.conversationId);
  const mine = all.filter((message) => message['messageId'] === turn.responseMessageId);
  const [message] = mine;
  if (!message || mine.length > 1) throw new Error(`${mine.length} answers in the history`);
  return message;
}

/** Everything a reader got, against the log: the same bytes per event, and coalesced deltas the sum of theirs. */
export function checkFrames(truth: Truth, frames: readonly Frame[]): void {
  let before = 0;
  for (const frame of frames) {
    const known = truth.log.get(frame.seq);
    if (frame.event === 'created') before = 0;
    if (!known) throw new Error(`not in the log: ${describe(frame)}`);
    if (known.id !== frame.id)
      throw new Error(`the id differs: ${known.id} and ${describe(frame)}`);
    const snapshot = frame.event === 'sync' || frame.event === 'reset';
    if (!snapshot && known.raw !== frame.raw) checkCoalesced(truth, before, frame);
    before = frame.seq;
  }
}

/**
 * What stands of a reader's frames. A driver that is killed takes its last deltas with it, and a `reset` says so: it comes
 * at once after them, on the same connection or the next, and never without them.
 */
export function standing(truth: Truth, frames: readonly Frame[]): Frame[] {
  const stands = (frame: Frame): boolean => truth.log.get(frame.seq)?.id === frame.id;
  return frames.filter((frame, index) => {
    const before = frames[index - 1];
    const withdrew = before !== undefined && !stands(before);
    const resets = frame.event === 'reset' && frame.data['reason'] === 'epoch';
    if (withdrew && !resets && stands(frame)) {
      throw new Error(`withdrawn without a word: ${describe(before)}`);
    }
    if (resets && !withdrew) throw new Error(`nothing was withdrawn: ${describe(frame)}`);
    if (!stands(frame) && !frame.event.endsWith('_delta')) {
      throw new Error(`more than deltas was withdrawn: ${describe(frame)}`);
    }
    return stands(frame);
  });
}

function checkCoalesced(truth: Truth, before: number, frame: Frame): void {
  let sum = '';
  for (let seq = before + 1; seq <= frame.seq; seq += 1) {
    const each = truth.log.get(seq);
    const same = each?.event === frame.event && each.data['part'] === frame.data['part'];
    if (!each || !same) throw new Error(`coalesced over something else: ${describe(frame)}`);
    sum += String(each.data['text']);
  }
  const last = truth.log.get(frame.seq);
  if (sum !== frame.data['text'] || last?.data['at'] !== frame.data['at']) {
    throw new Error(`not the sum of its deltas: ${describe(frame)}`);
  }
}

/** The reader's message is the history's, and so is every frame it saw. */
export function checkReader(truth: Truth, reader: Pick<ReadResult, 'fold' | 'frames'>): void {
  checkFrames(truth, reader.frames);
  const mine = hashOfContent(reader.fold.message);
  if (mine !== hashOfContent(truth.message)) {
    throw new Error(
      `the fold is not the history:\n${JSON.stringify(reader.fold.message).slice(0, 1500)}\n${JSON.stringify(truth.message).slice(0, 1500)}`,
    );
  }
}

/** A reader that is never cut, to its end. */
export function readAll(baseUrl: string, turn: Turn, signal?: AbortSignal): Promise<ReadResult> {
  return readWithResume({ baseUrl, path: turn.streamPath, ...(signal && { signal }) });
}
