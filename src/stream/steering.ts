import type { RunSpec } from '../agent/run-spec.ts';
import type { Started, StartRequest } from './generations.ts';
import { carryOut } from './job-command.ts';
import type { Job } from './job.ts';
import type { JobStore } from './job-store.ts';
import { attach, steered } from './started.ts';

/** A message that came while an answer is being made. */
export interface SteerTurn {
  request: StartRequest;
  /** `<tenant>/<user>/<key>` */
  key: string;
  messageId: string;
  /** As it may be kept. */
  text: string;
  spec: Pick<RunSpec, 'agentId' | 'files'>;
}

/** What shapes a run was frozen with it: a message that asks for anything else than words is a turn of its own. */
function isOnlyWords({ request, spec }: SteerTurn, live: Job): boolean {
  const { parentMessageId, agentId } = request;
  const here = agentId === undefined || spec.agentId === live.spec.agentId;
  return here && parentMessageId === undefined && spec.files.length === 0;
}

/** T18. Undefined: the answer can't take it any more, so it waits its turn. */
export async function steer(
  jobs: JobStore,
  turn: SteerTurn,
  live: Job,
): Promise<Started | undefined> {
  if (!isOnlyWords(turn, live)) return undefined;
  const { request, key, messageId, text } = turn;
  const { bodyHash, conversationId = null } = request;
  const next = {
    messageId,
    idempotencyKey: key,
    request: { hash: bodyHash, conversationId },
    text,
    at: await jobs.now(),
  };
  const taken = await carryOut(jobs, live.generationId, { type: 'steer', steer: next });
  if (taken.outcome === 'moved') return steered(taken.job, next, 'steered');
  if (taken.reason !== 'known' && taken.reason !== 'key_taken') return undefined;
  const first = await jobs.byIdempotencyKey(key);
  return first && attach(first, { ...request, key });
}
