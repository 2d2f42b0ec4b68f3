import { createAnnouncer } from './announcer.js';
import { api, ApiError } from './api.js';
import { createAttachments } from './attachments.js';
import { createComposer } from './composer.js';
import { createConversations } from './conversations.js';
import { createConversationsView } from './conversations-view.js';
import { ask } from './dialogs.js';
import { byId, h, icon, setAttribute, setText } from './dom.js';
import { createInspector } from './inspector.js';
import { createLineView } from './line-view.js';
import { createSession } from './session.js';
import { createThread } from './thread.js';
import { createWelcome } from './welcome.js';
/** @import { Conversation } from './types.d.ts' */

/** Puts the page together: the address names the conversation, everything else follows from it. */

const button = (/** @type {string} */ id) => byId(id, HTMLButtonElement);
const element = (/** @type {string} */ id) => byId(id, HTMLElement);

const app = element('app');
const title = element('title');
const inspect = button('inspect');
const channel = new BroadcastChannel('holdfast');
/** Tells the other tabs. @param {{ conversationId: string, started?: boolean }} news */
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel is of one origin, and takes none
const tell = (news) => channel.postMessage(news);

for (const place of document.querySelectorAll('[data-icon]')) {
  place.prepend(icon(place.getAttribute('data-icon') ?? ''));
}

const announcer = createAnnouncer({ polite: element('polite'), assertive: element('assertive') });
const inspector = createInspector({
  panel: element('inspector'),
  list: element('events'),
  count: element('event-count'),
  deltas: byId('deltas', HTMLInputElement),
});
const line = createLineView(
  {
    strip: element('line'),
    text: element('line-text'),
    facts: element('line-facts'),
    cursor: element('line-cursor'),
    replica: element('line-replica'),
    cut: button('cut'),
    hurry: button('hurry'),
  },
  announcer.say,
);
const thread = createThread({
  scroller: element('scroller'),
  list: element('thread'),
  toEnd: button('to-end'),
  onAgain: (how, message) => void session.again(how, message).catch(failed),
  onPick: (messageId) => void session.pick(messageId).catch(failed),
});
const composer = createComposer(
  {
    form: byId('composer', HTMLFormElement),
    input: byId('input', HTMLTextAreaElement),
    send: button('send'),
    stop: button('stop'),
    notice: element('notice'),
  },
  { onSend: (text) => void send(text), onStop: () => void stop() },
);

const attachments = createAttachments(
  {
    list: element('files'),
    attach: button('attach'),
    pick: byId('pick', HTMLInputElement),
    box: element('composer'),
  },
  { onError: failed },
);

const conversations = createConversations({
  onChange: drawList,
  onError: failed,
  onActive: (active) => {
    const here = active.get(session.id() ?? '');
    if (here !== undefined) session.noticed(here).catch(failed);
  },
});
const view = createConversationsView(element('conversations'), {
  onRename: (conversation) => void rename(conversation),
  onRemove: (conversation) => void remove(conversation),
});

const session = createSession({
  thread,
  inspector,
  announcer,
  hooks: {
    onLine: (state) => line.show(state),
    onState: (id, { status, active, title: said }) => {
      composer.live(active);
      if (id === null) return;
      if (conversations.statuses().get(id) !== status) conversations.set(id, status, active);
      if (said !== undefined) setTitle(said);
    },
    onTurn: (id, started) => {
      tell({ conversationId: id, started });
      void conversations.refresh();
    },
    onNotice: (text, tone) => composer.notice(text, { tone }),
    onError: failed,
    mayFocus: () => composer.isIdle(),
    onCardGone: () => composer.focus(),
  },
});

/** @param {string} said */
function setTitle(said) {
  setText(title, said);
  document.title = `${said} · Holdfast`;
}

function drawList() {
  const current = session.id();
  view.update(conversations.items(), { statuses: conversations.statuses(), current });
  button('more').hidden = !conversations.hasMore();
  element('no-conversations').hidden = conversations.items().length > 0;
  const own = conversations.items().find(({ conversationId }) => conversationId === current);
  if (own?.title) setTitle(own.title);
}

/** @param {unknown} error */
function failed(error) {
  if (error instanceof ApiError && error.status === 401) {
    void signIn();
    return;
  }
  const text = error instanceof Error ? error.message : String(error);
  // The line comes back by itself; a list that could not be read is read again.
  if (!(error instanceof ApiError && error.passing)) composer.notice(text, { tone: 'bad' });
}

let signingIn = false;
/** Until it is done nobody asks again: what was under way without a session may be refused late. */
async function signIn() {
  if (signingIn) return;
  signingIn = true;
  const refused = await trySignIn();
  signingIn = false;
  if (refused !== undefined) failed(refused);
}

/** @returns {Promise<unknown>} why it did not work; undefined where it did, or nobody wanted to */
async function trySignIn() {
  const text =
    'This server wants to know who you are. The token is exchanged for a session cookie and kept nowhere else.';
  const token = await ask({
    title: 'Sign in',
    text,
    label: 'Bearer token (JWT)',
    secret: true,
    confirm: 'Sign in',
  });
  if (token === null || token === '') return undefined;
  try {
    await api.signIn(token);
    await Promise.all([conversations.refresh(), route()]);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** @param {string} text @param {'reject' | 'enqueue' | 'interrupt' | 'steer'} [onBusy] */
async function send(text, onBusy) {
  composer.sending(true);
  composer.notice('');
  const before = session.id();
  try {
    const { conversationId } = await session.send(text, onBusy, attachments.parts());
    attachments.clear();
    element('welcome').replaceChildren();
    // What was typed meanwhile is the next message.
    if (composer.text() === text) composer.fill('');
    if (before === null && session.id() === conversationId) {
      history.pushState(null, '', `#${encodeURIComponent(conversationId)}`);
      composer.switchTo(conversationId);
      setTitle('New chat');
    }
    composer.focus();
  } catch (error) {
    if (error instanceof ApiError && error.code === 'CONVERSATION_BUSY') busy(text);
    else if (error instanceof ApiError && error.passing)
      composer.notice(`${error.message} Your text is kept.`, { tone: 'bad' });
    else failed(error);
  } finally {
    composer.sending(false);
  }
}

/** @param {string} text */
function busy(text) {
  const choice = (
    /** @type {string} */ label,
    /** @type {'enqueue' | 'interrupt' | 'steer'} */ onBusy,
  ) =>
    h('button', { type: 'button', class: 'quiet', onclick: () => void send(text, onBusy) }, label);
  const actions = [
    choice('Add it to this one', 'steer'),
    choice('Send it after this one', 'enqueue'),
    choice('Stop this one and send', 'interrupt'),
  ];
  composer.notice('An answer is under way in this conversation.', { actions });
  announcer.urge(
    'An answer is under way in this conversation. Choose whether to add to it, to wait or to stop it.',
  );
}

async function stop() {
  button('stop').disabled = true;
  try {
    await session.stop();
    announcer.say('Stopped.');
  } catch (error) {
    button('stop').disabled = false;
    composer.notice(error instanceof Error ? error.message : String(error), { tone: 'bad' });
  }
}

/** @param {Conversation} conversation */
async function rename({ conversationId, title: old }) {
  const typed = await ask({ title: 'Rename', label: 'Title', value: old ?? '', confirm: 'Rename' });
  if (typed === null || typed.trim() === '') return;
  try {
    await api.rename(conversationId, typed.trim());
    tell({ conversationId });
    await conversations.refresh();
  } catch (error) {
    failed(error);
  }
}

/** @param {Conversation} conversation */
async function remove({ conversationId, title: name }) {
  const text = `“${name ?? 'Untitled'}” and all its messages. An answer that is under way is stopped.`;
  if (
    (await ask({ title: 'Delete this conversation?', text, confirm: 'Delete', danger: true })) ===
    null
  )
    return;
  try {
    await api.remove(conversationId);
    tell({ conversationId });
    conversations.drop(conversationId);
    if (session.id() === conversationId) location.hash = '';
  } catch (error) {
    failed(error);
  }
}

/** The conversation that the address names. */
async function route() {
  const id = decodeURIComponent(location.hash.slice(1)) || null;
  setAttribute(app, 'data-side', null);
  setTitle('New chat');
  composer.switchTo(id);
  composer.live(false);
  element('welcome').replaceChildren(...(id === null ? [createWelcome(pick)] : []));
  try {
    await session.open(id);
  } catch (error) {
    const gone = error instanceof ApiError && error.status === 404;
    if (gone) composer.notice('There is no such conversation.', { tone: 'bad' });
    else failed(error);
    if (error instanceof ApiError && error.passing) setTimeout(() => void route(), 1_500);
  }
  drawList();
}

/** @param {string} text */
function pick(text) {
  composer.fill(text);
  void send(text);
}

function toggleSide() {
  const open = app.dataset['side'] === 'open';
  setAttribute(app, 'data-side', open ? null : 'open');
  setAttribute(button('menu'), 'aria-expanded', String(!open));
}

/** @param {boolean} open */
function showInspector(open) {
  inspector.show(open);
  setAttribute(app, 'data-inspector', open ? 'open' : null);
  setAttribute(inspect, 'aria-expanded', String(open));
}

button('new-chat').addEventListener('click', () => {
  if (location.hash === '') void route();
  location.hash = '';
  composer.focus();
});
button('more').addEventListener('click', () => void conversations.more());
button('menu').addEventListener('click', toggleSide);
element('veil').addEventListener('click', toggleSide);
button('cut').addEventListener('click', () => session.cut());
button('hurry').addEventListener('click', () => session.hurry());
button('second-tab').addEventListener('click', () =>
  window.open(location.href, '_blank', 'noopener'),
);
inspect.addEventListener('click', () =>
  showInspector(inspect.getAttribute('aria-expanded') !== 'true'),
);
button('inspector-close').addEventListener('click', () => {
  showInspector(false);
  inspect.focus();
});
button('skip').addEventListener('click', () => composer.focus());
window.addEventListener('hashchange', () => void route());
window.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && app.dataset['side'] === 'open') toggleSide();
});
channel.addEventListener('message', ({ data }) => {
  void conversations.refresh();
  if (data.started && data.conversationId === session.id()) session.catchUp().catch(failed);
});

void conversations.refresh();
void route();
composer.focus();
