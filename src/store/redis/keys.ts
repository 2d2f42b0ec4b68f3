import { keyText, textOfKey } from '../key-text.ts';

/** Where the log of a generation is. All in one hash slot. */
export interface LogKeys {
  /** String `<head> <fence> <closed 0|1> <fence of the entry at head>`. */
  state: string;
  /** Stream with one entry per append, `<sequence of its last event>-<number of events>`. Also the channel of its news. */
  entries: string;
}

/** An empty tag, or one that ends at once, would be none: the keys of the log would fall into different slots. */
const NO_TAG = /^(?:\}|$)/;

export function logKeys(generationId: string): LogKeys {
  const tag = NO_TAG.test(generationId) ? JSON.stringify(generationId) : keyText(generationId);
  return { state: `hf:{${tag}}:state`, entries: `hf:{${tag}}:log` };
}

/** Pattern of the `state` keys of all logs. */
export const LOG_STATES = 'hf:{*}:state';

const STATE = /^hf:\{(.*)\}:state$/s;

/** Whose log it is by its `state` key; undefined: it is no key of ours. */
export function generationOf(state: string): string | undefined {
  const [, tag] = STATE.exec(state) ?? [];
  if (tag === undefined || !isTag(tag)) return undefined;
  const generationId = textOfKey(tag);
  return logKeys(generationId).state === state ? generationId : undefined;
}

/** One that looks like JSON, and is none, would not be read. */
function isTag(tag: string): boolean {
  try {
    textOfKey(tag);
    return true;
  } catch {
    return false;
  }
}

/** Channel of the hints between replicas. */
export const HINTS_CHANNEL = 'hf:hints';

/** Channel of those for one replica alone. */
export function inboxChannel(replicaId: string): string {
  return `${HINTS_CHANNEL}:${replicaId}`;
}
