import type { Mechanisms } from './mechanisms.ts';
import { clientMoves } from './clients.ts';
import { replicaMoves } from './replicas.ts';
import { draftOf, type Setting, type World } from './world.ts';

/**
 * `system`: a replica will do it sooner or later. `timer`: a clock will. `client`, `fault`: may happen, nobody may
 * rely on it.
 */
export type MoveKind = 'system' | 'timer' | 'client' | 'fault';

export interface Move {
  label: string;
  kind: MoveKind;
  next: World;
}

export interface Scene {
  m: Mechanisms;
  setting: Setting;
  world: World;
  /** Adds what `change` makes of a draft of the world, unless it returns false. */
  add(label: string, kind: MoveKind, change: (draft: World) => boolean): void;
}

/** Everything that may happen next. */
export function movesOf(m: Mechanisms, setting: Setting, world: World): Move[] {
  const moves: Move[] = [];
  const scene: Scene = {
    m,
    setting,
    world,
    add(label, kind, change) {
      const next = draftOf(world);
      if (change(next)) moves.push({ label, kind, next });
    },
  };
  replicaMoves(scene);
  clientMoves(scene);
  return moves;
}
