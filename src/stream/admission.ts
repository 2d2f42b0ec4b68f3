import type { FileRef, Route } from '../agent/run-spec.ts';
import type { ConversationRecord } from './conversation-store.ts';
import type { Decider, ResumeRequest, StartRequest } from './generations.ts';
import type { Owner } from './job.ts';

/** Port: what must be settled before words of a user are taken. Each refusal is an `AppError` with a true 4xx. */
export interface Admission {
  /** Called once the turn is known to be new, before anything of it is written. */
  turn(turn: NewTurn): Promise<Admitted>;
  /** Called before an answer is looked at; what it returns takes the answer's place. */
  answer(by: Decider, request: ResumeRequest): Promise<ResumeRequest>;
}

export interface NewTurn {
  owner: Owner;
  request: StartRequest;
  /** Undefined: the turn makes it. */
  conversation: ConversationRecord | undefined;
  /** The agent that answered last in this conversation, if any. */
  lastAgentId: () => Promise<string | undefined>;
}

/** What is frozen with the turn. */
export interface Admitted {
  /** As it may be kept and shown to models. */
  text: string;
  files: FileRef[];
  /** Undefined: the default agent. */
  agentId: string | undefined;
  route: Route;
}
