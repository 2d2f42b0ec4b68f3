import type { LogInfo, StoredEvent } from '../../stream/event-transport.ts';
import { decodeWithId, parseState } from './log-codec.ts';
import { redisScript } from './script.ts';
import { LOG_APPEND } from './scripts/log-append.ts';
import { LOG_CREATE } from './scripts/log-create.ts';
import { LOG_DROP } from './scripts/log-drop.ts';
import { LOG_FENCE } from './scripts/log-fence.ts';
import { LOG_READ } from './scripts/log-read.ts';

/** Replies of `append`, see its script. */
const APPENDED = 0;
const MISSING = -1;
const REFUSALS = ['', 'stale_fence', 'closed', 'out_of_sequence'] as const;

export type AppendReply =
  | { outcome: 'appended' | 'missing' }
  | { outcome: 'stale_fence'; fence: number }
  | { outcome: 'closed' | 'out_of_sequence'; head: number };

function appendReply(reply: unknown): AppendReply {
  if (reply === APPENDED) return { outcome: 'appended' };
  if (reply === MISSING) return { outcome: 'missing' };
  const [code, value]: unknown[] = Array.isArray(reply) ? reply : [];
  const outcome = typeof code === 'number' ? REFUSALS[code] : undefined;
  if (!outcome || typeof value !== 'number') throw unexpected();
  return outcome === 'stale_fence' ? { outcome, fence: value } : { outcome, head: value };
}

function fenceReply(
  reply: unknown,
): LogInfo | { outcome: 'stale_fence'; fence: number } | undefined {
  if (reply === null) return undefined;
  if (typeof reply === 'number') return { outcome: 'stale_fence', fence: reply };
  if (typeof reply !== 'string') throw unexpected();
  return parseState(reply).info;
}

/** Undefined: there is no log. The first of the events may be before the place that was asked for. */
function readReply(reply: unknown): { events: StoredEvent[]; info: LogInfo } | undefined {
  if (reply === null) return undefined;
  if (!Array.isArray(reply) || !reply.every((part) => typeof part === 'string')) throw unexpected();
  const [state = '', ...parts] = reply;
  const events: StoredEvent[] = [];
  for (let at = 0; at + 1 < parts.length; at += 2) {
    events.push(...decodeWithId(parts[at] ?? '', parts[at + 1] ?? ''));
  }
  return { events, info: parseState(state).info };
}

const unexpected = (): Error => new Error('Redis answered a script with something else');

const nothing = (): void => {};

export const LOG_SCRIPTS = {
  create: redisScript(LOG_CREATE, nothing),
  append: redisScript(LOG_APPEND, appendReply),
  fence: redisScript(LOG_FENCE, fenceReply),
  read: redisScript(LOG_READ, readReply),
  drop: redisScript(LOG_DROP, nothing),
};
