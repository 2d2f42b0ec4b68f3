/**
 * What browsers have and other runtimes may lack, by the shape that is used of it: so that the client needs the types
 * of neither, and says where it does without.
 */
export interface Surroundings {
  navigator?: { onLine?: boolean; locks?: LockManagerLike };
  document?: object;
  addEventListener?(
    type: string,
    listener: (event: { type: string }) => void,
    options: { signal: AbortSignal },
  ): void;
  BroadcastChannel?: new (name: string) => ChannelLike;
  crypto?: { getRandomValues(array: Uint32Array<ArrayBuffer>): Uint32Array };
}

/** https://w3c.github.io/web-locks/ */
export interface LockManagerLike {
  request(
    name: string,
    options: { signal?: AbortSignal },
    held: () => Promise<void>,
  ): Promise<unknown>;
}

/** https://html.spec.whatwg.org/multipage/web-messaging.html#broadcasting-to-other-browsing-contexts */
export interface ChannelLike {
  onmessage: ((event: never) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

export const surroundings: Surroundings = globalThis;
