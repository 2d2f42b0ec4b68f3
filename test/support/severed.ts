/** What a port answers at once: there is nothing to wait for. */
export const SYNCHRONOUS: ReadonlySet<string | symbol> = new Set<string | symbol>([
  'watch',
  'publish',
  'listen',
]);

/**
 * A port whose calls can be made to hang, as those of a process that was stopped: what was asked neither happens nor
 * fails. `mend` lets calls through again, and those that hang as well.
 */
export function severable<T extends object>(
  port: T,
): { port: T; cut: () => void; mend: () => void } {
  let gate: Promise<void> | undefined;
  let open: (() => void) | undefined;
  return {
    port: new Proxy(port, {
      get(target, name, receiver): unknown {
        const member: unknown = Reflect.get(target, name, receiver);
        if (typeof member !== 'function') return member;
        if (SYNCHRONOUS.has(name)) {
          return (...args: unknown[]): unknown => Reflect.apply(member, target, args);
        }
        return async (...args: unknown[]): Promise<unknown> => {
          await gate;
          return Reflect.apply(member, target, args);
        };
      },
    }),
    cut() {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    mend() {
      gate = undefined;
      open?.();
    },
  };
}
