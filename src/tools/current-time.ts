import { z } from 'zod';
import { defineTool } from '../agent/tools.ts';
import type { ToolDefinition } from '../agent/tools.ts';
import type { Clock } from '../lib/clock.ts';

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).format(0) !== '';
  } catch {
    // RangeError: that is the answer.
    return false;
  }
}

const schema = z.object({
  timezone: z
    .string()
    .max(100)
    .refine(isTimeZone, 'is not the name of a time zone, as in Europe/Vienna')
    .optional()
    .describe("IANA name, e.g. Europe/Vienna; the user's where not given"),
});

/** e.g. `2026-11-21T22:15:00+01:00, Saturday (Europe/Vienna)`. */
export function timeText(at: number, timezone: string): string {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    weekday: 'long',
    timeZoneName: 'longOffset',
  });
  const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const { year, month, day, hour, minute, second, weekday, timeZoneName = '' } = part;
  const offset = timeZoneName.replace('GMT', '') || '+00:00';
  return `${year}-${month}-${day}T${hour}:${minute}:${second}${offset}, ${weekday} (${timezone})`;
}

export function currentTimeTool({ clock }: { clock: Clock }): ToolDefinition {
  return defineTool({
    name: 'current_time',
    description: 'Tells the date, the time and the day of the week.',
    schema,
    effects: 'read',
    run: async ({ timezone }, context) =>
      timeText(clock.now(), timezone ?? context.timezone ?? 'UTC'),
  });
}
