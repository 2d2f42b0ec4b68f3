import type { ruling, ToolPolicy } from '../../hitl/tool-policy.ts';
import type { RawEnv } from '../env.ts';

type Effects = Parameters<typeof ruling>[1]['effects'];

/** What the file may refer to without saying what it is. */
export interface Surroundings {
  env: RawEnv;
  /** Built in, or given in code. */
  tools: readonly { name: string; effects: Effects }[];
  /** Ids of agents given in code. */
  agents: readonly string[];
  /** The service's policy where the file has none. */
  policy: ToolPolicy;
}

export function isSet(env: RawEnv, name: string): boolean {
  return (env[name] ?? '').trim() !== '';
}
