import { createActionView } from './action-view.js';
import { api, ApiError, newId, streamUrl } from './api.js';
import { applyFrame, createFold, replaceState } from './fold.js';
import { textOf } from './message-view.js';
import { follow } from './stream.js';
/** @import { Fold } from './fold.js' */
/** @import { LineState, Message, Part, Started, Status, Verdict } from './types.d.ts' */

/** The open conversation: its history, the answer that is under way, and what a person does to it. */

const ENDED = new Set(['completed', 'aborted', 'failed', 'expired', 'superseded', 'interrupted']);
/** The same turn is sent again so often, under the same id, while the server is away. */
const MAX_TRIES = 8;

const sleep = (/** @type {number} */ ms) => new Promise((wake) => setTimeout(wake, ms));

/** Also where nothing is painted: a tab in the background follows too. @param {() => void} paint */
function soon(paint) {
  if (document.hidden) setTimeout(paint, 100);
  else requestAnimationFrame(paint);
}

/**
 * @typedef {object} SessionHooks
 * @property {(line: LineState | undefined) => void} onLine
 * @property {(id: string | null, change: { status: string, active: boolean, title: string | undefined }) => void} onState
 * @property {(id: string, started: boolean) => void} onTurn another tab may want to know
 * @property {(text: string, tone?: 'bad') => void} onNotice '' takes it away
 * @property {(error: unknown) => void} onError
 * @property {() => boolean} mayFocus whether a card may take the focus
 * @property {() => void} onCardGone the card that had the focus is gone
 */

/**
 * @param {{ thread: ReturnType<typeof import('./thread.js').createThread>,
 *   inspector: ReturnType<typeof import('./inspector.js').createInspector>,
 *   announcer: ReturnType<typeof import('./announcer.js').createAnnouncer>, hooks: SessionHooks }} deps
 */
export function createSession({ thread, inspector, announcer, hooks }) {
  /** @type {string | null} */
  let conversationId = null;
  /** Rises with every conversation that is opened: what comes late for an earlier one is dropped. */
  let opened = 0;
  /** @type {Fold | undefined} */
  let fold;
  /** @type {ReturnType<typeof follow> | undefined} */
  let line;
  /** @type {LineState['state'] | undefined} */
  let lineState;
  /** @type {ReturnType<typeof createActionView> | undefined} */
  let card;
  let drawing = false;
  /** The newest branch is shown, or the newest that goes through this message. @type {string | null} */
  let through = null;
  /** The last message of the history that is shown. @type {string | undefined} */
  let end;
  /** Actions that were decided in this tab. @type {Set<string>} */
  const mine = new Set();

  const isLive = () => fold !== undefined && !ENDED.has(fold.status);

  const dropCard = () => {
    const focused = card?.hasFocus() ?? false;
    card?.dispose();
    card = undefined;
    if (focused) hooks.onCardGone();
  };

  const drawCard = () => {
    const action = fold?.pendingAction;
    if (card?.actionId === action?.actionId) return;
    dropCard();
    if (!action || !fold?.message) return;
    card = createActionView(action, { onSubmit: decide });
    thread.answer(fold.message).slot.append(card.element);
    announcer.urge(card.announcement);
    thread.reveal(card.element);
    if (hooks.mayFocus()) card.focus();
  };

  const draw = () => {
    drawing = false;
    if (!fold?.message) return;
    const live = isLive();
    if (fold.userMessage) thread.user(fold.userMessage);
    thread.answer(fold.message).update(fold.message, { fold, live, mine });
    thread.stick();
    drawCard();
    announcer.answer(fold.message.messageId, textOf(fold.message), { final: !live });
    hooks.onState(conversationId, { status: fold.status, active: live, title: fold.title });
  };

  const schedule = () => {
    if (drawing) return;
    drawing = true;
    soon(draw);
  };

  const letGo = () => {
    line?.close();
    line = undefined;
    lineState = undefined;
    dropCard();
    fold = undefined;
    hooks.onLine(undefined);
  };

  /** @param {LineState} next */
  const onLine = (next) => {
    if (next.state === 'waiting' && lineState === 'live' && fold?.message) {
      thread
        .answer(fold.message)
        .knot(`The line was cut here, after event ${next.cursor}. Nothing is missing.`);
    }
    lineState = next.state;
    hooks.onLine(next);
    if (next.state === 'refused') void refused(next.status ?? 0);
    if (next.state === 'ended') void ended();
  };

  /** @param {string} streamId @param {string} [cursor] */
  const followStream = (streamId, cursor) => {
    const now = opened;
    const own = fold;
    const current = () => now === opened && own === fold;
    line?.close();
    line = follow({
      url: streamUrl(streamId),
      ...(cursor === undefined ? {} : { cursor }),
      onNote: inspector.note,
      onFrame: (frame) => {
        if (!current() || !fold) return;
        inspector.frame(frame);
        applyFrame(fold, frame);
        schedule();
      },
      onState: (state) => current() && onLine(state),
    });
  };

  /** What the server says of the conversation becomes what is shown. @param {Status} status */
  const attach = ({ active, generation }) => {
    if (!generation) return;
    fold = createFold();
    replaceState(fold, generation.state);
    fold.unheard = generation.unheard ?? [];
    const { message } = generation.state;
    announcer.skip(message.messageId, textOf(message));
    draw();
    if (active) followStream(generation.streamId, generation.cursor);
  };

  /**
   * What is being drawn from its stream is left alone. False: the last answer is on another branch.
   * @param {Message[]} messages @param {string | undefined} underWay @param {boolean} shown
   */
  const showBranch = (messages, underWay, shown) => {
    const ids = new Set(messages.map(({ messageId }) => messageId));
    const newest = through === null || ids.has(underWay ?? '');
    if (newest) ids.add(underWay ?? '');
    thread.keep(ids);
    thread.show(messages.filter(({ messageId }) => !shown || messageId !== underWay));
    end = messages.at(-1)?.messageId;
    return newest;
  };

  /** Asks anew what there is; keeps what is shown where it is still so. @param {string} id */
  const catchUp = async (id) => {
    const now = opened;
    // Status after the history: an answer that ends in between is in one of them.
    const messages = await api.branch(id, through);
    const status = await api.status(id);
    if (now !== opened || id !== conversationId) return;
    const { generation } = status;
    const shown = isLive() && fold?.generationId === generation?.generationId;
    const underWay = generation?.state.message.messageId;
    const newest = showBranch(messages, underWay, shown);
    if (shown) return;
    letGo();
    if (newest) attach(status);
  };

  /** Tells the answer that just ended of those beside it. @param {string} id */
  const count = async (id) => {
    const { messageId, siblings = [] } = (await api.branch(id, null)).at(-1) ?? {};
    if (!fold?.message || messageId !== fold.message.messageId) return;
    fold.message.siblings = siblings;
    draw();
  };

  /** The stream is whole; another turn may have waited for it. */
  const ended = async () => {
    draw();
    const id = fold?.conversationId;
    if (id === undefined) return;
    hooks.onTurn(id, false);
    try {
      await count(id);
      const status = await api.status(id);
      // Also where it is over by now.
      const next = status.generation?.generationId !== fold?.generationId;
      if (id === conversationId && next) await catchUp(id);
    } catch (error) {
      hooks.onError(error);
    }
  };

  /** @param {number} status */
  const refused = async (status) => {
    if (conversationId === null) return;
    if (status === 404) hooks.onNotice('This answer is not there any more.', 'bad');
    else
      hooks.onError(
        new ApiError({ status, code: 'REFUSED', message: `The stream was refused (${status}).` }),
      );
  };

  /** Rejects with what the card shows. @param {Verdict} verdict */
  async function decide(verdict) {
    const action = fold?.pendingAction;
    if (!action) return;
    mine.add(action.actionId);
    try {
      await api.resume(action, verdict);
    } catch (error) {
      mine.delete(action.actionId);
      const taken = error instanceof ApiError && error.code === 'ACTION_ALREADY_RESOLVED';
      throw taken ? new Error('This was decided in another tab, just before you.') : error;
    }
  }

  /**
   * The same message under the same id until it is answered: it is one turn, however often it is sent.
   * @param {Parameters<typeof api.start>[0]} body
   */
  const start = async (body) => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await api.start(body);
      } catch (error) {
        if (!(error instanceof ApiError) || !error.passing || tries === MAX_TRIES) throw error;
        hooks.onNotice(`${error.message} Trying again; it stays one turn.`);
        await sleep(Math.max(error.retryAfter * 1_000, 500 * tries));
      }
    }
  };

  /** Is it heard by the answer that is being made? A repeat is told that it is attached. @param {Started} started */
  const isSteering = ({ status, generationId, messageId }) =>
    status === 'steered' ||
    (isLive() &&
      fold?.generationId === generationId &&
      fold.message?.parentMessageId !== messageId);

  /**
   * Rejects with ApiError; then nothing was sent, and the text is still the composer's.
   * @param {string} text @param {'reject' | 'enqueue' | 'interrupt' | 'steer'} [onBusy]
   * @param {(Part & { fileId: string })[]} [files]
   */
  const send = async (text, onBusy = 'reject', files = []) => {
    const now = opened;
    const behind = through === null || end === undefined ? {} : { parentMessageId: end };
    const place = conversationId === null ? {} : { conversationId, ...behind };
    const messageId = newId();
    const started = await start({
      text,
      messageId,
      onBusy,
      ...place,
      ...(files.length > 0 && { files: files.map(({ fileId }) => ({ fileId })) }),
    });
    hooks.onNotice('');
    hooks.onTurn(started.conversationId, true);
    if (now !== opened) return started;
    conversationId = started.conversationId;
    through = null;
    const content = [{ type: 'text', text }, ...files];
    const { messageId: id } = started;
    const steers = isSteering(started);
    if (!steers)
      thread.user({
        messageId: id,
        parentMessageId: null,
        role: 'user',
        content,
        status: 'complete',
      });
    thread.follow();
    // One that waits its turn is followed when the one before it is over.
    if (!fold || !isLive()) {
      fold = createFold();
      followStream(started.streamId);
    }
    if (steers) {
      fold.unheard.push({ messageId: id, text });
      schedule();
    }
    return started;
  };

  return {
    id: () => conversationId,
    isLive,
    send,
    /** @param {string | null} id */
    async open(id) {
      opened += 1;
      letGo();
      conversationId = id;
      through = null;
      thread.clear();
      inspector.clear();
      hooks.onNotice('');
      if (id !== null) await catchUp(id);
    },
    /** Somebody else began an answer here. @param {string} generationId */
    async noticed(generationId) {
      if (conversationId === null || isLive() || fold?.generationId === generationId) return;
      through = null;
      await catchUp(conversationId);
    },
    catchUp: async () => conversationId !== null && !isLive() && catchUp(conversationId),
    async stop() {
      if (fold) await api.abort(fold.generationId);
    },
    /** Another answer, or the rest of this one. @param {'regenerate' | 'continue'} how @param {Message} answer */
    async again(how, { messageId }) {
      const id = conversationId;
      if (id === null) return;
      await api.again(how, { conversationId: id, messageId }, newId());
      hooks.onNotice('');
      hooks.onTurn(id, true);
      through = null;
      if (id === conversationId) await catchUp(id);
    },
    /** Shows the branch of this message; what is being made is not left. @param {string} messageId */
    async pick(messageId) {
      if (conversationId === null || isLive()) return;
      through = messageId;
      await catchUp(conversationId);
    },
    cut: () => line?.cut(),
    hurry: () => line?.hurry(),
  };
}
