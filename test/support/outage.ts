import { unavailable } from '../../src/errors.ts';
import type { EventTransport, StoredEvent } from '../../src/stream/event-transport.ts';
import { SYNCHRONOUS } from './severed.ts';

/** How the calls of a port go wrong. */
export interface Failing {
  /** Methods that fail; none given: every one. */
  methods?: readonly string[];
  /** The call is carried out, and its answer is lost. */
  replyLost?: boolean;
  /** So many calls; none given: until it is mended. */
  times?: number;
}

export interface Failable<T> {
  port: T;
  fail(how?: Failing): void;
  mend(): void;
}

/** A port whose store can be put out of reach, as its adapter would say it: calls are refused, or their answers are lost. */
export function failable<T extends object>(target: T): Failable<T> {
  let failing: Failing | undefined;
  let left = 0;
  const hit = (name: string | symbol): Failing | undefined => {
    const known = !failing?.methods || failing.methods.some((method) => method === name);
    if (!failing || !known || left <= 0) return undefined;
    left -= 1;
    return failing;
  };
  return {
    port: new Proxy(target, {
      get(_target, name, receiver): unknown {
        const member: unknown = Reflect.get(target, name, receiver);
        if (typeof member !== 'function') return member;
        const call = (args: unknown[]): unknown => Reflect.apply(member, target, args);
        if (SYNCHRONOUS.has(name)) return (...args: unknown[]) => call(args);
        return async (...args: unknown[]): Promise<unknown> => {
          const how = hit(name);
          if (how && !how.replyLost) throw unavailable(new Error('out of reach'));
          const answer = await call(args);
          if (how) throw unavailable(new Error('the answer was lost'));
          return answer;
        };
      },
    }),
    fail(how = {}) {
      failing = how;
      left = how.times ?? Number.POSITIVE_INFINITY;
    },
    mend() {
      failing = undefined;
    },
  };
}

/** The store falls back to a state in which the log had only its first `keep` entries; 0: it knows nothing of it. */
export async function loseTail(
  transport: EventTransport,
  generationId: string,
  keep: number,
): Promise<void> {
  const range = { after: 0, limit: keep, maxBytes: 10_000_000 };
  const kept = keep === 0 ? undefined : await transport.read(generationId, range);
  await transport.drop(generationId);
  if (!kept) return;
  await transport.create(generationId);
  for (const event of kept.events) await putBack(transport, generationId, event);
}

async function putBack(
  transport: EventTransport,
  generationId: string,
  event: StoredEvent,
): Promise<void> {
  const { fence, seq } = event;
  const final = event.type === 'done';
  await transport.append({ generationId, fence, expected: seq - 1, events: [event], final });
}
