import { randomFillSync } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
/** Ids made within one millisecond are told apart, and kept in order, by fractions of it. */
const FRACTIONS = 1024;

/** Makes ids. Injected into the core so that simulations are deterministic. */
export interface Ids {
  /**
   * `<prefix>_` + 11 characters of time + 16 random ones (80 bits): unguessable, and in the order in which one
   * process made them.
   */
  sortable(prefix: string): string;
  /** A number in [0, 1), for jitter. */
  random(): number;
}

/** Random bytes fetched in one go: each call of the generator costs more than an id. */
const POOL_BYTES = 4_096;

/** As `randomBytes`, but each result is good until the next call only. `n` ≤ 4,096. */
function pooledBytes(): (n: number) => Uint8Array {
  const pool = Buffer.alloc(POOL_BYTES);
  let used = POOL_BYTES;
  return (n) => {
    if (used + n > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    used += n;
    return pool.subarray(used - n, used);
  };
}

const SORTABLE = /^[a-z]+_([0-9a-hjkmnp-tv-z]{11})[0-9a-hjkmnp-tv-z]{16}$/;

/** When an id was made, epoch ms by its maker's clock; undefined: it is none of ours. */
export function madeAt(id: string): number | undefined {
  const [, head] = SORTABLE.exec(id) ?? [];
  if (head === undefined) return undefined;
  let time = 0;
  for (const char of head) time = time * 32 + ALPHABET.indexOf(char);
  return Math.floor(time / FRACTIONS);
}

export function createIds(
  now: () => number,
  bytes: (n: number) => Uint8Array = pooledBytes(),
): Ids {
  let latest = 0;
  return {
    sortable(prefix) {
      latest = Math.max(now() * FRACTIONS, latest + 1);
      let time = latest;
      let head = '';
      for (let i = 0; i < 11; i += 1) {
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
