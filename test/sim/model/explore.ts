import type { Mechanisms } from './mechanisms.ts';
import { allOver, quietViolation, violation } from './invariants.ts';
import { movesOf } from './moves.ts';
import { firstWorld, worldKey, type Setting, type World } from './world.ts';

export interface Finding {
  kind: string;
  /** The shortest way there. */
  trace: string[];
}

export interface Exploration {
  states: number;
  edges: number;
  /** Every reachable state was visited. */
  complete: boolean;
  finding: Finding | undefined;
}

/** Visits the reachable worlds breadth-first, so that the first violation found has a shortest trace. */
export function explore(
  m: Mechanisms,
  setting: Setting,
  maxStates = Number.POSITIVE_INFINITY,
): Exploration {
  return new Search(m, setting, maxStates).run();
}

class Search {
  readonly #m: Mechanisms;
  readonly #setting: Setting;
  readonly #maxStates: number;
  readonly #ids = new Map<string, number>();
  /** Worlds by id; emptied once expanded, to keep the memory for those to come. */
  readonly #worlds: (World | undefined)[] = [];
  readonly #parents: number[] = [];
  readonly #labels: string[] = [];
  readonly #over: number[] = [];
  /** Edges that happen without people and faults: the ones that liveness may count on. */
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  #edges = 0;

  constructor(m: Mechanisms, setting: Setting, maxStates: number) {
    this.#m = m;
    this.#setting = setting;
    this.#maxStates = maxStates;
  }

  run(): Exploration {
    this.#visit(firstWorld(this.#setting), -1, 'start');
    let head = 0;
    let finding: Finding | undefined;
    while (!finding && head < this.#worlds.length && this.#worlds.length < this.#maxStates) {
      const kind = this.#expand(head);
      if (kind !== undefined) finding = { kind, trace: this.#trace(head) };
      head += 1;
    }
    const complete = !finding && head === this.#worlds.length;
    finding ??= this.#deadEnd(head);
    return { states: this.#worlds.length, edges: this.#edges, complete, finding };
  }

  /** What is wrong with this world, if anything is. */
  #expand(id: number): string | undefined {
    const world = this.#worlds[id];
    if (!world) return undefined;
    this.#worlds[id] = undefined;
    const broken = violation(this.#m, this.#setting, world);
    if (broken !== undefined) return broken;
    if (allOver(this.#m, world)) this.#over.push(id);
    let quiet = true;
    for (const { label, kind, next } of movesOf(this.#m, this.#setting, world)) {
      this.#edges += 1;
      const to = this.#visit(next, id, label);
      if (kind === 'system') quiet = false;
      if (kind === 'client' || kind === 'fault') continue;
      this.#from.push(id);
      this.#to.push(to);
    }
    return quiet ? quietViolation(this.#m, world) : undefined;
  }

  #visit(world: World, parent: number, label: string): number {
    const key = worldKey(world);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#worlds.length;
    this.#ids.set(key, id);
    this.#worlds.push(world);
    this.#parents.push(parent);
    this.#labels.push(label);
    return id;
  }

  /** AG EF all over: a world from which the end can't be reached by replicas and clocks alone. */
  #deadEnd(expanded: number): Finding | undefined {
    const reaches = new Uint8Array(this.#parents.length);
    // What was not expanded is not known: it gets the benefit of the doubt.
    reaches.fill(1, expanded);
    for (const id of this.#over) reaches[id] = 1;
    for (let grew = true; grew;) {
      grew = false;
      for (let edge = this.#from.length - 1; edge >= 0; edge -= 1) {
        const from = this.#from[edge] ?? 0;
        if (reaches[from] || !reaches[this.#to[edge] ?? 0]) continue;
        reaches[from] = 1;
        grew = true;
      }
    }
    const dead = reaches.indexOf(0);
    return dead < 0 ? undefined : { kind: 'the end is out of reach', trace: this.#trace(dead) };
  }

  #trace(id: number): string[] {
    const trace: string[] = [];
    for (let at = id; at > 0; at = this.#parents[at] ?? 0) trace.push(this.#labels[at] ?? '');
    return trace.toReversed();
  }
}
