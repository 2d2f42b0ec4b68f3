import type { EventBody, LogEvent, Outcome } from '../../src/stream/events.ts';
import { MessageFold } from '../../src/stream/fold.ts';
import type { ToolResultStatus } from '../../src/stream/message.ts';
import type { PendingAction } from '../../src/stream/pending-action.ts';
import { aMessage } from '../contract/conversation-store-kit.ts';
import { type Asking, asks, asksItsOwnWay, gates, questionOf, saidTo } from './random-actions.ts';

/**
 * A log as an agent could have written it, steered by numbers: model calls with text, reasoning and batches of tools,
 * sub-agents side by side, pauses, questions, messages that steer it, crashes.
 */

export const GENERATION = 'gen_000000000000abcdef';
const AT = '2026-01-01T00:00:00.000Z';
const ZERO = { inputTokens: 0, outputTokens: 0, cacheRead: 0, reasoning: 0 };
const STATUSES: ToolResultStatus[] = [
  'ok',
  'error',
  'rejected',
  'responded',
  'outcome_unknown',
  'denied',
];

interface OpenCall {
  id: string;
  name: 'plain' | 'helper' | 'ask_user';
  ready: boolean;
}

/** One agent: `model` while its model speaks, `tools` while its calls run. */
interface Agent {
  path: string[];
  phase: 'model' | 'tools';
  calls: OpenCall[];
  /** The part it writes. */
  part: { kind: 'text' | 'reasoning'; index: number } | undefined;
  modelCall: string;
}

export interface RandomLogOptions {
  crashes?: boolean;
}

export class RandomLog {
  readonly events: LogEvent[] = [];
  readonly #fold = new MessageFold();
  readonly #agents: Agent[] = [];
  readonly #crashes: boolean;
  #parts = 0;
  #ids = 0;
  #fence = 1;
  #calls: (string | null)[] = [];
  paused: PendingAction | undefined;

  constructor({ crashes = false }: RandomLogOptions = {}) {
    this.#crashes = crashes;
    this.#agents.push(this.#agent([]));
    this.#append({
      type: 'created',
      conversationId: 'conv_1',
      generationId: GENERATION,
      agentId: 'demo',
      model: 'demo',
      userMessage: aMessage('msg_1', { role: 'user' }),
      responseMessageId: 'msg_2',
    });
  }

  #agent(path: string[]): Agent {
    return { path, phase: 'model', calls: [], part: undefined, modelCall: this.#id('m') };
  }

  #id(prefix: string): string {
    this.#ids += 1;
    return `${prefix}${this.#ids}`;
  }

  #append(body: EventBody): void {
    const event = { seq: this.events.length + 1, fence: this.#fence, at: AT, body };
    this.events.push(event);
    this.#fold.apply(event);
  }

  /** `choice` picks what happens next among what may; any number will do. */
  step(choice: number): void {
    if (this.paused) return this.#whilePaused(choice);
    const agent = this.#agents[choice % this.#agents.length];
    if (!agent) return;
    const kind = Math.floor(choice / 8) % 16;
    if (kind === 15 && this.#crashes) return this.#crash(choice);
    if (kind === 14) return this.#aside(choice, agent);
    if (agent.phase === 'model') this.#speak(kind, agent);
    else this.#work(kind, agent, choice);
  }

  #path(agent: Agent): { path?: string[] } {
    return agent.path.length > 0 ? { path: agent.path } : {};
  }

  #speak(kind: number, agent: Agent): void {
    const last = agent.calls.at(-1);
    if (last && !last.ready) {
      if (kind < 6) this.#append({ type: 'tool_args_delta', toolCallId: last.id, text: '{' });
      else this.#ready(last);
      return;
    }
    if (kind < 6) return this.#say('text', agent);
    if (kind < 8) return this.#say('reasoning', agent);
    if (kind < 11) return this.#call('plain', agent);
    if (kind === 11) return this.#call(agent.path.length === 0 ? 'helper' : 'plain', agent);
    if (kind === 12) return this.#call('ask_user', agent);
    if (agent.calls.length > 0) this.#toTools(agent);
  }

  #say(kind: 'text' | 'reasoning', agent: Agent): void {
    const goesOn = agent.part?.kind === kind ? agent.part : undefined;
    const part = goesOn ?? { kind, index: this.#parts };
    if (!goesOn) {
      this.#parts += 1;
      this.#calls[part.index] = agent.modelCall;
    }
    agent.part = part;
    const first = goesOn ? {} : { call: agent.modelCall };
    const text = `${this.#id('w')} `;
    this.#append({ type: `${kind}_delta`, part: part.index, text, ...this.#path(agent), ...first });
  }

  #call(name: OpenCall['name'], agent: Agent): void {
    const id = this.#id('call');
    agent.part = undefined;
    agent.calls.push({ id, name, ready: false });
    this.#calls[this.#parts] = null;
    const part = this.#parts;
    this.#parts += 1;
    this.#append({ type: 'tool_call', part, toolCallId: id, name, ...this.#path(agent) });
  }

  #ready(call: OpenCall): void {
    const { id: toolCallId, name } = call;
    call.ready = true;
    const args = name === 'ask_user' ? { questions: [questionOf(toolCallId)] } : { of: toolCallId };
    this.#append({ type: 'tool_ready', toolCallId, name, args });
  }

  #toTools(agent: Agent): void {
    const usage = { call: ZERO, total: ZERO, contextUsed: 1, contextMax: null };
    this.#append({ type: 'usage', ...usage, ...this.#path(agent) });
    agent.phase = 'tools';
    for (const { name, id } of agent.calls) {
      if (name !== 'helper') continue;
      const path = [...agent.path, id];
      this.#agents.push(this.#agent(path));
      this.#append({ type: 'agent', path, agentId: 'helper', state: 'started' });
    }
  }

  #work(kind: number, agent: Agent, choice: number): void {
    const call = agent.calls[choice % Math.max(agent.calls.length, 1)];
    if (!call) return;
    if (call.name === 'helper') {
      const sub = this.#agents.find(({ path }) => path.at(-1) === call.id);
      if (sub && (sub.calls.length > 0 || sub.phase === 'tools')) return;
      if (sub) this.#agents.splice(this.#agents.indexOf(sub), 1);
      return this.#result(agent, call, choice);
    }
    if (call.name === 'ask_user') return this.#pause(asks(this.#head(), call.id));
    if (kind === 5) return this.#pause(asksItsOwnWay(this.#head(), this.#path(agent), choice));
    if (kind < 6) return this.#result(agent, call, choice);
    const gated = agent.calls.filter(
      ({ name }, index) => name === 'plain' && (index + kind) % 3 > 0,
    );
    if (gated.length > 0) this.#pause(gates(this.#head(), gated));
  }

  #result(agent: Agent, call: OpenCall, choice: number): void {
    const status = STATUSES[choice % STATUSES.length] ?? 'ok';
    this.#append({ type: 'tool_result', toolCallId: call.id, status, output: `out of ${call.id}` });
    if (agent.path.length === 0 && choice % 5 === 0) {
      const to = choice % 2 === 0 ? 'desk' : 'billing';
      this.#append({ type: 'hand_off', toolCallId: call.id, agentId: to, model: `of ${to}` });
    }
    agent.calls = agent.calls.filter((it) => it !== call);
    if (agent.calls.length > 0) return;
    Object.assign(agent, { phase: 'model', part: undefined, modelCall: this.#id('m') });
  }

  #head(): Asking {
    const actionId = this.#id('act_');
    const ids = { generationId: GENERATION, conversationId: 'conv_1' };
    return { actionId, revision: 1, ...ids, createdAt: AT, expiresAt: null };
  }

  #pause(action: PendingAction): void {
    this.paused = action;
    // What was being said elsewhere is said anew when it goes on.
    for (const agent of this.#agents) agent.part = undefined;
    this.#append({ type: 'pending_action', action });
  }

  #whilePaused(choice: number): void {
    const { paused } = this;
    if (!paused) return;
    if (choice % 4 === 0) return this.#append({ type: 'title', title: 'A title' });
    const { actionId } = paused;
    const said = saidTo(paused, choice);
    const by = { decidedBy: 'u', decidedAt: AT };
    this.paused = undefined;
    this.#append({ type: 'action_resolved', actionId, outcome: 'decided', ...said, ...by });
    if (paused.kind === 'custom') return;
    const asked =
      paused.kind === 'ask_user_question'
        ? this.#agents
            .flatMap(({ calls }) => calls)
            .filter(
              (it) =>
                it.name === 'ask_user' &&
                questionOf(it.id).question === paused.questions[0]?.question,
            )
        : paused.requests.flatMap(({ toolCallId }) =>
            this.#agents.flatMap(({ calls }) => calls).filter(({ id }) => id === toolCallId),
          );
    for (const call of asked) {
      const agent = this.#agents.find(({ calls }) => calls.includes(call));
      if (agent) this.#result(agent, call, paused.kind === 'ask_user_question' ? 0 : choice);
    }
  }

  #aside(choice: number, agent: Agent): void {
    if (choice % 3 === 0) return this.#append({ type: 'custom', data: { n: choice } });
    if (choice % 3 === 1) return this.#append({ type: 'title', title: 'A title' });
    if (agent.calls.length > 0) return;
    if (choice % 4 < 2 && agent.path.length === 0) return this.#steered(agent);
    agent.part = undefined;
    this.#calls[this.#parts] = null;
    const part = this.#parts;
    this.#parts += 1;
    const url = choice % 2 === 0 ? { url: 'https://example.com/a.png' } : { data: 'eA==' };
    this.#append({
      type: 'attachment',
      part,
      name: 'a.png',
      mediaType: 'image/png',
      ...url,
      ...this.#path(agent),
    });
  }

  /** The agent hears it before it asks its model again, also where it would have ended. */
  #steered(agent: Agent): void {
    Object.assign(agent, { part: undefined, modelCall: this.#id('m') });
    this.#calls[this.#parts] = null;
    const part = this.#parts;
    this.#parts += 1;
    this.#append({ type: 'steered', part, ...this.#message(), heard: true });
  }

  #message() {
    const messageId = this.#id('msg_s');
    return { messageId, text: `rather ${messageId}` };
  }

  /** The root's model is asked again for what it was saying; what sub-agents did is gone. */
  #crash(choice: number): void {
    const state = this.#fold.state();
    const root = this.#agents[0];
    if (!root || root.calls.length > 0) return;
    const kept = choice % (state.message.content.length + 1);
    const content = state.message.content.slice(0, kept).map((part) => {
      if (part.type !== 'text' && part.type !== 'reasoning') return part;
      return choice % 2 === 0 ? { ...part, text: `${part.text}and more ` } : part;
    });
    this.#fence += 1;
    this.#calls = this.#calls.slice(0, kept);
    if (choice % 5 < 2) {
      // The agent had heard it, and the log was not told.
      content.push({ type: 'steered', ...this.#message(), heard: true });
      this.#calls.push(null);
    }
    this.#parts = content.length;
    this.#agents.splice(0, this.#agents.length, this.#agent([]));
    // A hand-off that is withdrawn, or that the log was not told of.
    const by = choice % 3 === 0 ? { agentId: 'desk', model: 'of desk' } : {};
    this.#append({
      type: 'segment',
      reason: 'recovered',
      keep: 1,
      state: { ...state, message: { ...state.message, ...by, content } },
      calls: this.#calls,
    });
  }

  done(status: Outcome): void {
    if (this.paused) {
      const { actionId } = this.paused;
      const by = { decidedBy: null, decidedAt: AT };
      this.#append({ type: 'action_resolved', actionId, outcome: 'aborted', ...by });
      this.paused = undefined;
    }
    if (status !== 'completed' && this.#ids % 2 === 0) {
      this.#append({ type: 'steered', part: this.#parts, ...this.#message(), heard: false });
    }
    const whole = status === 'completed' ? 'complete' : 'unfinished';
    this.#append({
      type: 'done',
      status,
      message: { ...this.#fold.message(), status: whole },
      conversation: {
        conversationId: 'conv_1',
        title: null,
        temporary: false,
        createdAt: AT,
        updatedAt: AT,
      },
      usage: null,
      ...(status === 'failed' && { error: { code: 'MODEL_ERROR', message: 'The model failed.' } }),
    });
  }

  get message() {
    return this.#fold.message();
  }
}
