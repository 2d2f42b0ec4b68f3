import type { Stores } from './heart.ts';
import { seeded, type Random } from './random.ts';

/** Calls that end only when something happens: they say nothing about whether work is under way. */
const AT_ONCE = new Set(['watch', 'publish', 'listen']);
/** Turns of the loop without a call under way after which nothing goes on by itself. */
const QUIET_TURNS = 4;
const PATIENCE_TURNS = 20_000;

export function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Now, some microtasks later, or some turns of the loop later. */
export async function dawdle(random: Random, most: number): Promise<void> {
  const steps = random.between(0, most);
  if (random.next() < 0.5) for (let step = 0; step < steps; step += 1) await Promise.resolve();
  else for (let step = 0; step < steps; step += 1) await turnOfLoop();
}

/** Counts calls under way, so that a test knows when all has come to rest. */
export class Gauge {
  readonly #turn: () => Promise<void>;
  #under = 0;

  constructor(turn: () => Promise<void> = turnOfLoop) {
    this.#turn = turn;
  }

  async count<T>(call: () => Promise<T>): Promise<T> {
    this.#under += 1;
    try {
      return await call();
    } finally {
      this.#under -= 1;
    }
  }

  /** Resolves when nothing is under way, and nothing followed from it. */
  async quiet(): Promise<void> {
    let calm = 0;
    for (let turn = 0; calm < QUIET_TURNS; turn += 1) {
      if (turn > PATIENCE_TURNS) throw new Error('it never comes to rest');
      calm = this.#under === 0 ? calm + 1 : 0;
      await this.#turn();
    }
  }
}

/** A port whose calls take a seeded while to get there and another to come back, as over a network. */
function jittered<T extends object>(port: T, random: Random, gauge: Gauge): T {
  return new Proxy(port, {
    get(target, name, receiver): unknown {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== 'function') return member;
      if (typeof name === 'string' && AT_ONCE.has(name))
        return (...args: unknown[]): unknown => Reflect.apply(member, target, args);
      return (...args: unknown[]) =>
        gauge.count(async (): Promise<unknown> => {
          await dawdle(random, 3);
          const answer: unknown = await Reflect.apply(member, target, args);
          await dawdle(random, 3);
          return answer;
        });
    },
  });
}

/** The same stores as one replica sees them: no two interleave in the same way. */
export function jitteredStores(stores: Stores, seed: number, gauge: Gauge): Stores {
  const random = seeded(seed);
  return {
    ...stores,
    jobs: jittered(stores.jobs, random, gauge),
    transport: jittered(stores.transport, random, gauge),
    conversations: jittered(stores.conversations, random, gauge),
    approvals: jittered(stores.approvals, random, gauge),
    outbox: jittered(stores.outbox, random, gauge),
  };
}
