/** @import { Decision, Frame, Message, Obj, Part, PendingAction, StreamState } from './types.d.ts' */

/**
 * The reader's fold of docs/PROTOCOL.md section 3: frames in, the message out. Beside the message it keeps what only a
 * view needs: raw arguments while they stream, names of sub-agents, and how pending actions ended.
 * @typedef {{ actionId: string, outcome: string, decisions: Decision[], answers?: Obj, decidedBy: string | null, decidedAt: string }} Resolution
 * @typedef {object} Fold
 * @property {string} generationId
 * @property {string} conversationId
 * @property {string} status
 * @property {Message | undefined} message
 * @property {Message | undefined} userMessage
 * @property {PendingAction | undefined} pendingAction
 * @property {string | undefined} expiring the action that nobody has answered for long
 * @property {string | undefined} title
 * @property {number} position in the queue, 0 where it runs
 * @property {Map<string, string>} rawArgs
 * @property {Map<string, string>} agents by the path's last call id
 * @property {Resolution[]} resolutions
 * @property {{ messageId: string, text: string }[]} unheard what the user said meanwhile, until it is in the content
 */

/** @returns {Fold} */
export function createFold() {
  return {
    generationId: '',
    conversationId: '',
    status: 'queued',
    message: undefined,
    userMessage: undefined,
    pendingAction: undefined,
    expiring: undefined,
    title: undefined,
    position: 0,
    rawArgs: new Map(),
    agents: new Map(),
    resolutions: [],
    unheard: [],
  };
}

/** @param {Fold} fold @param {StreamState} state */
export function replaceState(fold, state) {
  const { message } = state;
  fold.generationId = state.generationId;
  fold.conversationId = state.conversationId;
  fold.status = state.status;
  fold.message = { ...message, content: message.content.map((part) => ({ ...part })) };
  fold.pendingAction = state.pendingAction;
  fold.title = state.title ?? fold.title;
  fold.rawArgs.clear();
}

/** @param {Fold} fold @param {unknown} toolCallId @returns {Part | undefined} */
function toolPart(fold, toolCallId) {
  return fold.message?.content.findLast((part) => part.toolCallId === toolCallId);
}

/** @param {Fold} fold @param {Part} part @param {number} index */
function put(fold, part, index) {
  if (fold.message) fold.message.content[index] = part;
}

/** @param {Obj} data @returns {Obj} only where it is there */
const pathOf = (data) => (Array.isArray(data['path']) ? { path: data['path'] } : {});

/** @type {(type: 'text' | 'reasoning') => (fold: Fold, data: any) => void} */
const delta = (type) => (fold, data) => {
  fold.status = 'running';
  const known = fold.message?.content[data.part];
  if (known?.type === 'text' || known?.type === 'reasoning') known.text += data.text;
  else put(fold, { type, text: data.text, ...pathOf(data) }, data.part);
};

/** @param {Fold} fold @param {Decision} decided */
function decide(fold, { toolCallId, decision, editedArgs }) {
  const part = toolPart(fold, toolCallId);
  if (!part) return;
  part.decision = decision;
  if (['approve', 'edit', 'retry'].includes(decision)) part.status = 'running';
  if (decision !== 'edit' || !editedArgs) return;
  part.proposedArgs = part.args;
  part.args = editedArgs;
}

/**
 * What each event does. Its data is what docs/PROTOCOL.md says of it: the server's word, so it is not checked again.
 * @type {Record<string, (fold: Fold, data: any) => void>}
 */
const APPLY = {
  created(fold, data) {
    const { conversationId, generationId, userMessage, responseMessageId, at } = data;
    const { parentMessageId = userMessage.messageId } = data;
    fold.generationId = generationId;
    fold.conversationId = conversationId;
    fold.userMessage = userMessage;
    fold.message = {
      messageId: responseMessageId,
      conversationId,
      parentMessageId,
      role: 'assistant',
      content: [],
      status: 'streaming',
      createdAt: at,
    };
  },
  queued(fold, { position }) {
    fold.status = 'queued';
    fold.position = position;
  },
  text_delta: delta('text'),
  reasoning_delta: delta('reasoning'),
  tool_call(fold, data) {
    fold.status = 'running';
    const { part, toolCallId, name } = data;
    const call = { type: 'tool_call', toolCallId, name, args: {}, status: 'streaming' };
    put(fold, { ...call, ...pathOf(data) }, part);
  },
  tool_args_delta(fold, { toolCallId, text }) {
    fold.rawArgs.set(toolCallId, (fold.rawArgs.get(toolCallId) ?? '') + text);
  },
  tool_ready(fold, { toolCallId, args }) {
    fold.status = 'running';
    fold.rawArgs.delete(toolCallId);
    Object.assign(toolPart(fold, toolCallId) ?? {}, { args, status: 'ready' });
  },
  tool_result(fold, { toolCallId, status, output }) {
    fold.status = 'running';
    Object.assign(toolPart(fold, toolCallId) ?? {}, { status, output });
  },
  pending_action(fold, { action }) {
    fold.status = 'paused';
    fold.pendingAction = action;
    for (const { toolCallId } of action.requests ?? []) {
      Object.assign(toolPart(fold, toolCallId) ?? {}, { status: 'waiting' });
    }
  },
  action_expiring(fold, { actionId }) {
    fold.expiring = actionId;
  },
  action_resolved(fold, data) {
    fold.pendingAction = undefined;
    fold.status = data.outcome === 'decided' ? 'queued' : 'finalizing';
    fold.resolutions.push({ ...data, decisions: data.decisions ?? [] });
    for (const decision of data.decisions ?? []) decide(fold, decision);
  },
  agent(fold, { path, agentId }) {
    fold.agents.set(path.at(-1), agentId);
  },
  attachment(fold, { part, name, mediaType, url, data, path }) {
    put(fold, { type: 'attachment', name, mediaType, url, data, ...pathOf({ path }) }, part);
  },
  steered(fold, { part, messageId, text, heard }) {
    fold.status = 'running';
    put(fold, { type: 'steered', messageId, text, heard }, part);
  },
  title(fold, { title }) {
    fold.title = title;
  },
  segment(fold, { state }) {
    fold.status = 'running';
    if (state) replaceState(fold, state);
  },
  sync: (fold, { state }) => replaceState(fold, state),
  reset: (fold, { state }) => replaceState(fold, state),
  done(fold, { status, message, conversation, error }) {
    fold.status = status;
    fold.pendingAction = undefined;
    fold.title = conversation.title ?? fold.title;
    if (!fold.message) return;
    fold.message.status = message.status;
    if (error) fold.message.error = error;
  },
};

/** Unknown events are ignored. @param {Fold} fold @param {Frame} frame */
export function applyFrame(fold, { event, data }) {
  if (Object.hasOwn(APPLY, event)) APPLY[event]?.(fold, data);
}
