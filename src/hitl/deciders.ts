import type { Job, Owner } from '../stream/job.ts';
import { approversOf } from './tool-policy.ts';

/** May this person answer for the generation? The owner, unless four eyes are wanted; or a role of the policy. */
export function mayDecide(
  job: Pick<Job, 'owner' | 'spec'>,
  by: Owner & { roles: readonly string[] },
): boolean {
  if (by.tenantId !== job.owner.tenantId) return false;
  const { roles, fourEyes } = approversOf(job.spec.policy);
  if (by.userId === job.owner.userId) return !fourEyes;
  return roles.some((role) => by.roles.includes(role));
}
