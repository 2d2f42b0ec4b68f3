import type { JsonObject } from '../lib/json.ts';
import type { EventOf } from '../stream/events.ts';
import type { Owner } from '../stream/owner.ts';
import type { Message, ToolResultStatus } from '../stream/message.ts';
import type { ApprovalRequest, PendingAction, Verdict } from '../stream/pending-action.ts';
import type { ToolPolicy } from '../hitl/tool-policy.ts';
import type { RunSpec } from './run-spec.ts';

/** The port between the heart and whatever runs an agent. */

export type ToolEffects = 'read' | 'idempotent' | 'unsafe';

/** Names one attempt: the checkpoint thread is (generation, fence), so a fenced driver writes where nobody reads. */
export interface AttemptRef {
  generationId: string;
  fence: number;
}

/** What the latest checkpoint of a generation holds: this stands, everything else in the log is asked again. */
export interface Standing {
  /** False: no checkpoint, the run starts from the history. */
  resumable: boolean;
  /** Finished model calls, oldest first. `call` is the id on the first delta of the parts they made. */
  calls: StandingCall[];
  /** Finished tool calls. */
  results: ({ toolCallId: string } & ToolResult)[];
  /** Who answers since a hand-off; absent: the agent that the turn was asked of. */
  answering?: Answering;
  /** The same without what steps that are still under way have done: the agent in whose name something is asked. */
  asking?: Answering;
  /** Messages of the user's that came meanwhile, oldest first. */
  steered: StandingSteer[];
}

/** An agent that answers in the place of the one that the turn was asked of. */
export interface Answering {
  agentId: string;
  model: string;
  /** Tokens of its model's context; null: not known. */
  contextMax: number | null;
}

export interface StandingSteer extends SteerMessage {
  /** The model call before it; undefined: none. */
  after?: string;
}

/** A message of the user's that came while the answer was being made. */
export interface SteerMessage {
  messageId: string;
  text: string;
}

export interface StandingCall {
  call: string;
  path?: string[];
  reasoning: string;
  text: string;
  toolCalls: { toolCallId: string; name: string; args: JsonObject }[];
}

export interface ToolResult {
  status: ToolResultStatus;
  output: string;
  /** What the call showed to the user, in its order: whoever tells the result tells of these too. */
  attachments?: readonly ToolAttachment[];
}

export interface ToolAttachment {
  name: string;
  mediaType: string;
  url: string;
}

/** The driver's ledger as tools see it (transitions T6 and T7). */
export interface ToolLedger {
  /**
   * Called before the effect. `run`: recorded, go. `reuse`: an earlier attempt finished it, take this result.
   * Rejects when this driver has lost its fence, or the outcome of an unsafe call is unknown: the tool must not run.
   */
  start(call: {
    toolCallId: string;
    name: string;
    effects: ToolEffects;
    args: JsonObject;
  }): Promise<{ go: 'run' } | { go: 'reuse'; result: ToolResult }>;
  /** Called after it, whatever became of the run meanwhile: a result is a fact. */
  done(toolCallId: string, result: ToolResult): Promise<void>;
}

/** What becomes of a tool call that the model asks for (docs/APPROVALS.md section 3). */
export type CallRuling =
  | { ruling: 'run' }
  /** Never runs; the model is told. */
  | { ruling: 'deny'; reason: string }
  | {
      ruling: 'ask';
      description?: string;
      allowedDecisions: ApprovalRequest['allowedDecisions'];
      mayRemember: boolean;
      defaultToNo: boolean;
    };

export type CallPolicy = (call: {
  name: string;
  effects: ToolEffects;
  args: JsonObject;
  /** Who answers by now, with its own policy; absent: the agent that the turn was asked of. */
  by?: { agentId: string; policy: ToolPolicy };
}) => Promise<CallRuling>;

/** The answer of a person to one of the agent's interrupts. */
export interface AnsweredPause {
  interruptId: string;
  action: PendingAction;
  verdict: Verdict;
}

export interface RunRequest extends AttemptRef {
  spec: RunSpec;
  conversationId: string;
  /** Whose turn it is. */
  owner: Owner;
  /** The branch that ends with the user's message, or with the answer to go on with, oldest first. */
  history: Message[];
  /** `continue`: go on from the checkpoint that `adopt` found, with the verdict if a pause was answered. */
  entry: { kind: 'start' } | { kind: 'continue'; answered?: AnsweredPause };
  policy: CallPolicy;
  /** Index of the next content part. */
  nextPart: number;
  /** URLs of the attachments that readers know of: a call that is executed again does not show them again. */
  attached?: readonly string[];
  ledger: ToolLedger;
  /** All that came so far, oldest first: the agent hears what it has not heard before its next model call, or goes on. */
  steers: () => Promise<readonly SteerMessage[]>;
  signal: AbortSignal;
  /** Aborts when the process wants to hand the run over: stop at the next step boundary with `handover`. */
  drain: AbortSignal;
}

/** Token count of one model call; the driver adds up the total. */
export interface ModelUsage {
  call: EventOf<'usage'>['call'];
  contextUsed: number;
  contextMax: number | null;
  path?: string[];
}

export type RunnerEvent =
  | {
      type: 'event';
      body: EventOf<
        | 'text_delta'
        | 'reasoning_delta'
        | 'tool_call'
        | 'tool_args_delta'
        | 'tool_ready'
        | 'tool_result'
        | 'agent'
        | 'hand_off'
        | 'attachment'
        | 'steered'
        | 'custom'
      >;
    }
  | { type: 'usage'; usage: ModelUsage }
  /** The run waits for a person; its checkpoint is durable. Always the last. */
  | { type: 'pause'; pause: PauseRequest }
  /** Stopped at a step boundary because `drain` was aborted; its checkpoint is durable. Always the last. */
  | { type: 'handover' };

type Custom = Extract<PendingAction, { kind: 'custom' }>;

/** `interruptId` names the agent's interrupt; it may repeat, so it never leaves the server. */
export type PauseRequest = Asked & {
  /** Who asks, where the turn was handed to it; absent: the agent that the turn was asked of. */
  agentId?: string;
};

type Asked =
  | ({ interruptId: string } & Pick<Custom, 'kind' | 'value' | 'responseSchema' | 'path'>)
  | { kind: 'tool_approval'; interruptId: string; requests: Omit<ApprovalRequest, 'argsHash'>[] }
  | {
      kind: 'ask_user_question';
      interruptId: string;
      questions: Extract<PendingAction, { kind: 'ask_user_question' }>['questions'];
    };

/** A failure with a code and a message that a user may read. Anything else a run throws is `AGENT_ERROR`. */
export class RunError extends Error {
  override name = 'RunError';
  readonly code: string;
  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

export interface AgentRunner {
  /** Makes the newest checkpoint of the earlier fences the start of this fence's thread, and says what it holds. */
  adopt(attempt: AttemptRef): Promise<Standing>;
  /** Runs one segment. Ends (completed), yields a last `pause` or `handover`, or throws (failed, or the signal's reason). */
  run(request: RunRequest): AsyncIterable<RunnerEvent>;
  /**
   * What is wrong with arguments that a person edited, as a sentence; undefined: nothing. `argsSchema` is the one that the
   * person was shown: it is all that is known of a tool that an agent has from elsewhere.
   */
  checkArgs(
    spec: RunSpec,
    call: { name: string; args: JsonObject; argsSchema?: JsonObject },
  ): string | undefined;
  /** Deletes every checkpoint of the generation. Idempotent. */
  prune(generationId: string): Promise<void>;
}

export interface FreezeRequest extends Pick<
  RunSpec,
  'timezone' | 'anchor' | 'route' | 'files' | 'metadata'
> {
  agentId: string | undefined;
}

/** Agents by id. */
export interface AgentCatalog {
  /** True where what the spec was frozen with is still known: as the agent is now, or as it was before a reload. */
  knows(spec: Pick<RunSpec, 'agentId' | 'fingerprint'>): boolean;
  /** The frozen spec of the agent (default agent where `agentId` is undefined); undefined: no such agent. */
  freeze(request: FreezeRequest): RunSpec | undefined;
}

/** An agent as clients may know it. */
export interface AgentCard {
  agentId: string;
  /** The id where it has no other. */
  name: string;
  description: string;
  capabilities: {
    /** Some of its tool calls can wait for a person; `questions`: it can ask some itself. */
    approvals: boolean;
    questions: boolean;
    /** Media types of files that it takes, `image/*` and the like; `*` where it does not say. */
    files: readonly string[];
    /** Ids of the agents below it, and of those that it may hand over to. */
    subagents: readonly string[];
    handoffs: readonly string[];
  };
}

/** True where a run of the agent can come to wait for a person. */
export function canWait({ capabilities }: AgentCard): boolean {
  return capabilities.approvals || capabilities.questions;
}

/** A turn for which an agent is to be chosen. */
export interface AgentChoice {
  /** Who pays. */
  owner: Owner;
  text: string;
  /** `provider:model`. */
  model: string;
  /** Milliseconds. */
  timeout: number;
  from: readonly Pick<AgentCard, 'agentId' | 'name' | 'description'>[];
}

/** Port: a model that chooses who answers. */
export interface AgentChooser {
  /** One of `from`; undefined: it named none. Rejects where it failed, or took too long. */
  choose(choice: AgentChoice): Promise<string | undefined>;
}

/** Makes the title of a conversation from its first turn. Never rejects for want of a model: falls back to the text. */
export interface Titler {
  title(text: string, signal: AbortSignal, of?: TitleOf): Promise<string>;
}

/** Whose conversation it is, and which turn begins it. */
export interface TitleOf {
  agentId: string;
  owner: Owner;
  generationId: string;
}
