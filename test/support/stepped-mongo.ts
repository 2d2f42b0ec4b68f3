import type { MongoConnection } from '../../src/store/mongo/index.ts';

/**
 * The connection of a replica that is stopped before each of its commands until `before` has run: what others do in
 * between, or, where it throws, the death of the replica. Steps count from 1.
 */
export function steppedMongo(
  mongo: MongoConnection,
  before: (step: number) => Promise<unknown>,
): MongoConnection {
  let step = 0;
  const run: MongoConnection['run'] = async (work, deadline) => {
    step += 1;
    await before(step);
    return mongo.run(work, deadline);
  };
  return new Proxy(mongo, {
    get(target, name): unknown {
      if (name === 'run') return run;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

/** A port that sends its calls to one replica after the other. */
export function takingTurns<T extends object>(replicas: readonly [T, ...T[]]): T {
  let turn = 0;
  return new Proxy(replicas[0], {
    get(first, name): unknown {
      turn += 1;
      const target = replicas[turn % replicas.length] ?? first;
      return Reflect.get(target, name, target);
    },
  });
}
