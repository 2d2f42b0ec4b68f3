import { createHash, type Hash } from 'node:crypto';

/** What there is to know of bytes that go by. */
export class ByteCount {
  readonly #hash: Hash = createHash('sha256');
  #size = 0;

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  /** Asked once, at the end. `sha256` is lower-case hex. */
  total(): { size: number; sha256: string } {
    return { size: this.#size, sha256: this.#hash.digest('hex') };
  }
}
