import type { Request } from 'express';
import type { Decider, StartRequest } from '../stream/generations.ts';
import type { Client } from '../stream/pending-action.ts';
import type { UserCall } from './route.ts';

/** Longest that an audit trail keeps: both may be whatever the client wrote. */
const MAX_ADDRESS = 100;
const MAX_USER_AGENT = 200;

/** Whence a request came, for the audit trail: the peer, or what one trusted proxy says of it. */
function clientOf(req: Request): Client {
  return {
    address: (req.ip ?? '').slice(0, MAX_ADDRESS),
    userAgent: (req.get('user-agent') ?? '').slice(0, MAX_USER_AGENT),
  };
}

/** Who answers, with which roles, from where. */
export function personOf({ req, owner, identity }: UserCall): Decider {
  return { ...owner, roles: identity.roles, client: clientOf(req) };
}

/** What a rule may look at when it chooses an agent. */
export function askerOf({
  req,
  identity,
}: Pick<UserCall, 'req' | 'identity'>): Pick<StartRequest, 'roles' | 'locale'> {
  const [locale] = req.acceptsLanguages();
  const named = locale !== undefined && locale !== '*' && locale.length <= 35;
  return { roles: identity.roles, ...(named ? { locale } : {}) };
}
