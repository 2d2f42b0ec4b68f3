import type { ToolCall, ToolCallChunk } from '@langchain/core/messages/tool';
import { isRecord } from './chunk-content.ts';
import { canBeKept } from './kept-args.ts';

interface Slot {
  place: number;
  providerId: string | undefined;
  id: string;
  name: string;
  args: string[];
  /** Fragments that came before the name. */
  held: string;
  told: boolean;
}

export type Fragment = ToolCallChunk & { type: 'tool_call_chunk' };

/** Ids that imitations of a provider count up from zero: they repeat with every answer. */
const COUNTER = /^\D*\d{1,6}$/;

/** Collects the tool calls of one answer in linear time (the library's own `concat` parses all of it again each time). */
export class ToolCallCollector {
  readonly #slots: Slot[] = [];
  readonly #byIndex = new Map<number, Slot>();
  readonly #used: Set<string>;
  readonly #newId: () => string;

  /** `used`: ids of the run so far; the ledger and the log know a call by its id alone. */
  constructor(used: Set<string>, newId: () => string) {
    this.#used = used;
    this.#newId = newId;
  }

  /** Takes a fragment and gives it back with the place and the id that it has in this run. */
  add(chunk: ToolCallChunk): Fragment | undefined {
    const slot = this.#slot(chunk);
    if (!slot) return undefined;
    if (slot.name === '' && chunk.name) slot.name = chunk.name;
    const args = chunk.args ?? '';
    slot.args.push(args);
    slot.held += args;
    if (slot.name === '') return undefined;
    const head = slot.told ? {} : { id: slot.id, name: slot.name };
    const fragment: Fragment = {
      type: 'tool_call_chunk',
      index: slot.place,
      ...head,
      args: slot.held,
    };
    slot.told = true;
    slot.held = '';
    return fragment;
  }

  /** The calls, and the ids of those whose arguments are not a JSON object that can be kept. */
  finish(): { calls: (ToolCall & { id: string })[]; malformed: string[] } {
    const malformed: string[] = [];
    const calls = this.#slots
      .filter(({ name }) => name !== '')
      .map(({ id, name, args }) => {
        const parsed = parseObject(args.join(''));
        if (!parsed) malformed.push(id);
        return { type: 'tool_call' as const, id, name, args: parsed ?? {} };
      });
    return { calls, malformed };
  }

  /** Provider's id → ours, where they differ: content blocks repeat the id. */
  renamed(): Map<string, string> {
    const pairs = this.#slots.flatMap(({ providerId, id }): [string, string][] =>
      providerId === undefined || providerId === id ? [] : [[providerId, id]],
    );
    return new Map(pairs);
  }

  #slot(chunk: ToolCallChunk): Slot | undefined {
    const { index, id, name } = chunk;
    const known = index === undefined ? this.#slots.at(-1) : this.#byIndex.get(index);
    if (known && !startsAnother(known, chunk)) return known;
    if (!id && !name) return undefined;
    const slot: Slot = {
      place: this.#slots.length,
      providerId: id,
      id: this.#ownId(id),
      name: '',
      args: [],
      held: '',
      told: false,
    };
    this.#slots.push(slot);
    if (index !== undefined) this.#byIndex.set(index, slot);
    return slot;
  }

  #ownId(id: string | undefined): string {
    const good = id && /^[\w-]{1,64}$/.test(id) && !COUNTER.test(id) && !this.#used.has(id);
    const own = good ? id : `call_${this.#newId()}`;
    this.#used.add(own);
    return own;
  }
}

/** Some servers give every parallel call the index 0, or no index, or no id. */
function startsAnother(known: Slot, { index, id, name }: ToolCallChunk): boolean {
  if (id) return known.providerId !== id && (Boolean(name) || index === undefined);
  return index === undefined && Boolean(name) && known.name !== '';
}

function parseObject(text: string): Record<string, unknown> | undefined {
  if (text.trim() === '') return {};
  try {
    const parsed: unknown = JSON.parse(text);
    return isRecord(parsed) && canBeKept(parsed) ? parsed : undefined;
  } catch {
    // Not JSON: the model is told so instead of a result.
    return undefined;
  }
}
