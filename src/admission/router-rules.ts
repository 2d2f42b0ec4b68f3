import type { ConfigFile } from '../config/file/schema.ts';
import { accepts } from '../files/media-type.ts';
import { runBounded } from '../lib/bounded-run.ts';
import type { JsonObject } from '../lib/json.ts';

/** Which rule of the file holds for a turn (docs/AGENTS.md section 6). */

export type RoutingRule = ConfigFile['routing']['rules'][number];

/** What a rule can look at. */
export interface TurnFacts {
  text: string;
  /** Of the files that come with it. */
  mediaTypes: readonly string[];
  /** BCP 47. */
  locale?: string;
  roles: readonly string[];
  metadata: JsonObject;
}

/** Patterns look at the beginning of a text. */
const MAX_TEXT = 10_000;
/** A pattern that is busy for longer does not hold. Milliseconds. */
const PATTERN_TIMEOUT = 50;

type When = RoutingRule['when'];
type Condition = {
  [K in keyof When]-?: (wanted: NonNullable<When[K]>, facts: TurnFacts) => boolean;
};

const CONDITIONS: Condition = {
  text(pattern, { text }) {
    const regexp = new RegExp(pattern, 'iu');
    const tried = runBounded(() => regexp.test(text.slice(0, MAX_TEXT)), PATTERN_TIMEOUT);
    return tried.done && tried.value;
  },
  attachment: (wanted, { mediaTypes }) => mediaTypes.some((type) => accepts([wanted], type)),
  locale(wanted, { locale = '' }) {
    const [given, range] = [locale.toLowerCase(), wanted.toLowerCase()];
    return given === range || given.startsWith(`${range}-`);
  },
  role: (wanted, { roles }) => roles.includes(wanted),
  metadata: (wanted, { metadata }) =>
    Object.entries(wanted).every(
      ([key, value]) => Object.hasOwn(metadata, key) && metadata[key] === value,
    ),
};

function holds({ text, attachment, locale, role, metadata }: When, facts: TurnFacts): boolean {
  const cheap =
    (attachment === undefined || CONDITIONS.attachment(attachment, facts)) &&
    (locale === undefined || CONDITIONS.locale(locale, facts)) &&
    (role === undefined || CONDITIONS.role(role, facts)) &&
    (metadata === undefined || CONDITIONS.metadata(metadata, facts));
  return cheap && (text === undefined || CONDITIONS.text(text, facts));
}

/** The first rule all of whose conditions hold. */
export function ruleFor(rules: readonly RoutingRule[], facts: TurnFacts): RoutingRule | undefined {
  return rules.find(({ when }) => holds(when, facts));
}
