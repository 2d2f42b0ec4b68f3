import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** Makes ids. Injected into the core so that simulations are deterministic. */
export interface Ids {
  /** `<prefix>_` + 10 characters of time (ms) + 16 random ones (80 bits): sortable and unguessable. */
  sortable(prefix: string): string;
  /** A number in [0, 1), for jitter. */
  random(): number;
}

export function createIds(now: () => number, bytes: (n: number) => Uint8Array = randomBytes): Ids {
  return {
    sortable(prefix) {
      let time = now();
      let head = '';
      for (let i = 0; i < 10; i += 1) {
        head = ALPHABET.charAt(time % 32) + head;
        time = Math.floor(time / 32);
      }
      let tail = '';
      for (const byte of bytes(16)) tail += ALPHABET.charAt(byte & 31);
      return `${prefix}_${head}${tail}`;
    },
    random() {
      const [a = 0, b = 0, c = 0] = bytes(3);
      return ((a << 16) | (b << 8) | c) / 0x1000000;
    },
  };
}
