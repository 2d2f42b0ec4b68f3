import { z } from 'zod';
import type { Hint, Preview } from '../../stream/hints.ts';
import { nothingBefore, type Before } from '../log-batch.ts';
import { decodeNews, encodeEntry } from './log-codec.ts';

/** Hints as messages: JSON, but for previews, of which there are many and whose events are JSON texts already. */

export interface Told {
  from: string;
  hint: Hint;
}

const toldSchema = z.object({
  from: z.string(),
  hint: z.discriminatedUnion('type', [
    z.object({ type: z.literal('queued') }),
    z.object({ type: z.literal('fenced'), generationId: z.string(), fence: z.number().int() }),
    z.object({ type: z.literal('follows'), generationIds: z.array(z.string()) }),
  ]),
});

const PREVIEWS = '~';
/** Between logs. No JSON text has it. */
const BETWEEN = '\u001D';

export function encodeHint({ from, hint }: Told): string {
  if (hint.type !== 'previews') return JSON.stringify({ from, hint });
  const before = nothingBefore();
  const logs = hint.logs.map((log) => encodePreview(log, before));
  return `${PREVIEWS}${JSON.stringify(from)}\n${logs.join(BETWEEN)}`;
}

function encodePreview({ generationId, after, events }: Preview, before: Before): string {
  const entry = encodeEntry({ fence: events[0]?.fence ?? 0, events }, before);
  return `${JSON.stringify(generationId)}\n${after.fence} ${after.seq}\n${entry}`;
}

/** Undefined: whoever else writes to this channel, it is no hint. */
export function decodeHint(message: string): Told | undefined {
  try {
    if (message.startsWith(PREVIEWS)) return decodePreviews(message.slice(PREVIEWS.length));
    const parsed: unknown = JSON.parse(message);
    return toldSchema.safeParse(parsed).data;
  } catch {
    // SyntaxError.
    return undefined;
  }
}

function decodePreviews(text: string): Told | undefined {
  const [from, rest] = named(text);
  const before = nothingBefore();
  const logs = rest.split(BETWEEN).flatMap((log): Preview[] => {
    const [generationId, news] = named(log);
    const decoded = decodeNews(news, before);
    return decoded ? [{ generationId, ...decoded }] : [];
  });
  return logs.length > 0 ? { from, hint: { type: 'previews', logs } } : undefined;
}

/** A name as JSON, a line end, the rest. Without a schema: it runs once per delta. */
function named(text: string): [string, string] {
  const end = text.indexOf('\n');
  const name: unknown = JSON.parse(text.slice(0, end));
  if (typeof name !== 'string') throw new SyntaxError('a name is a string');
  return [name, text.slice(end + 1)];
}
