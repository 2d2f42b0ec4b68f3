import { fillIn, variablesOf } from '../config/file/template.ts';
import type { InstructionVariable } from '../config/file/vocabulary.ts';
import type { Owner } from '../stream/owner.ts';
import type { SubAgentDefinition } from './catalog.ts';
import type { RunSpec } from './run-spec.ts';

/** Longest that a name of somebody may be in a prompt. */
const MAX_NAME = 200;

export interface Turn {
  spec: Pick<RunSpec, 'anchor' | 'timezone'>;
  owner: Owner;
}

/** One line: whoever made the name must not be able to add a paragraph to the prompt. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, MAX_NAME);
}

/** As the client named it: another name for the same would be another prompt. */
function zoneOf(timezone: string | null): string {
  const timeZone = timezone ?? 'UTC';
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).format(0) && timeZone;
  } catch {
    // RangeError: this system does not know the zone, though the client's did.
    return 'UTC';
  }
}

/** What the clocks there show at that moment: `date` 2026-11-21, `time` 21:05, `offset` +01:00, `weekday` Saturday. */
function localTime(anchor: string, timeZone: string) {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    weekday: 'long',
    timeZoneName: 'longOffset',
  }).formatToParts(new Date(anchor));
  const part = (type: Intl.DateTimeFormatPartTypes): string =>
    parts.find((each) => each.type === type)?.value ?? '';
  const offset = part('timeZoneName').replace('GMT', '');
  return {
    date: `${part('year')}-${part('month')}-${part('day')}`,
    time: `${part('hour')}:${part('minute')}`,
    offset: offset === '' ? '+00:00' : offset,
    weekday: part('weekday'),
  };
}

/**
 * The instructions as the model gets them. All that differs comes from the conversation's start and from whose it is,
 * so that every turn has the same text, and a provider's cache of it holds. Pure.
 */
export function instructionsFor(definition: SubAgentDefinition, { spec, owner }: Turn): string {
  const { instructions, id, name = id } = definition;
  const { anchor, timezone } = spec;
  const used = variablesOf(instructions);
  const zone = zoneOf(timezone);
  const { date, time, offset, weekday } = localTime(anchor, zone);
  const values: Record<InstructionVariable, string> = {
    current_datetime: `${date}T${time}${offset}`,
    current_date: date,
    current_weekday: weekday,
    timezone: zone,
    'user.id': oneLine(owner.userId),
    'user.tenant': oneLine(owner.tenantId),
    'agent.id': id,
    'agent.name': oneLine(name),
  };
  const text = fillIn(instructions, new Map(Object.entries(values)));
  if (timezone === null || used.includes('timezone')) return text;
  return `${text}\n\nThe user's time zone: ${timezone}.`;
}
