import type { Owner } from '../stream/owner.ts';

/** Port: whose data is to be deleted, until it is. */

export interface Erasure {
  owner: Owner;
  /** Epoch ms by the stores' clock: what began later stays. */
  requestedAt: number;
}

export interface ErasureStore {
  /** Of two requests of one owner the later one holds. */
  request(erasure: Erasure): Promise<void>;
  /** The longest requested first. */
  pending(limit: number): Promise<Erasure[]>;
  /** Unless it was requested again meanwhile. */
  done(erasure: Erasure): Promise<void>;
}
