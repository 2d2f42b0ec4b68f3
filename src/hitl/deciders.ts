import type { RunSpec } from '../agent/run-spec.ts';
import type { Job, Owner } from '../stream/job.ts';
import { sameOwner } from '../stream/owned.ts';
import type { PendingAction } from '../stream/pending-action.ts';
import { approversOf, type RunPolicy } from './tool-policy.ts';

/**
 * Who decides. An answer can be handed to another agent: what that one asks stands under its own policy, frozen with the
 * turn.
 */

type Spec = Pick<RunSpec, 'agentId' | 'policy' | 'handOffs'>;
type Asked = Pick<PendingAction, 'agentId' | 'kind'>;
type Person = Owner & { roles: readonly string[] };
type Deciders = ReturnType<typeof approversOf>;

/** Who asks. */
export function askerOf(
  { agentId }: Pick<RunSpec, 'agentId'>,
  action: Pick<PendingAction, 'agentId'> | undefined,
): string {
  return action?.agentId ?? agentId;
}

export function policyFor(
  { policy, handOffs = [] }: Spec,
  action: Pick<PendingAction, 'agentId'> | undefined,
): RunPolicy {
  const own = handOffs.find(({ agentId }) => agentId === action?.agentId);
  return own ? { ...policy, agent: own.policy } : policy;
}

/** Of every agent that the answer may have been handed to. */
function allDeciders({ policy, handOffs = [] }: Spec): Deciders {
  const all = [policy, ...handOffs.map((other) => ({ ...policy, agent: other.policy }))];
  const said = all.map(approversOf);
  return {
    roles: [...new Set(said.flatMap(({ roles }) => roles))],
    fourEyes: said.some(({ fourEyes }) => fourEyes),
  };
}

/**
 * Who besides the owner may decide, by role; and whether the owner may. In whose name a call was begun that a crash cut
 * off is not recorded: those of every agent are asked then, and four eyes are wanted where one of them wants them.
 */
export function decidersOf(spec: Spec, action: Asked): Deciders {
  return action.kind === 'recovery' ? allDeciders(spec) : approversOf(policyFor(spec, action));
}

const hasOne = (by: Person, roles: readonly string[]): boolean =>
  roles.some((role) => by.roles.includes(role));

/** May this person answer what it waits for? The owner, unless four eyes are wanted; or a role of the policy. */
export function mayDecide(
  { owner, spec, action }: Pick<Job, 'owner' | 'spec'> & { action: Asked },
  by: Person,
): boolean {
  if (by.tenantId !== owner.tenantId) return false;
  const { roles, fourEyes } = decidersOf(spec, action);
  if (by.userId === owner.userId) return !fourEyes;
  return hasOne(by, roles);
}

/** The owner, and whoever may decide something that it asked or may ask. */
export function maySee({ owner, spec }: Pick<Job, 'owner' | 'spec'>, by: Person): boolean {
  if (sameOwner(owner, by)) return true;
  return by.tenantId === owner.tenantId && hasOne(by, allDeciders(spec).roles);
}
