import { h, icon, setAttribute, setText } from './dom.js';
/** @import { Conversation } from './types.d.ts' */

/** The list of conversations, with what each of them is doing. */

/** @type {Record<string, [string, string]>} */
const BADGES = {
  queued: ['queued', 'busy'],
  running: ['running', 'busy'],
  finalizing: ['running', 'busy'],
  paused: ['waiting for you', 'wait'],
  failed: ['failed', 'bad'],
};

/** @typedef {{ onRename: (conversation: Conversation) => void, onRemove: (conversation: Conversation) => void }} ListEvents */

/** @param {ListEvents} events */
function createItem({ onRename, onRemove }) {
  /** @type {Conversation | undefined} */
  let shown;
  const title = h('span', { class: 'title' });
  const badge = h('span', { class: 'chip' });
  const link = h('a', {}, title, badge);
  const rename = h(
    'button',
    { type: 'button', class: 'icon-only', onclick: () => shown && onRename(shown) },
    icon('pencil'),
  );
  const remove = h(
    'button',
    { type: 'button', class: 'icon-only', onclick: () => shown && onRemove(shown) },
    icon('trash'),
  );
  const element = h('li', {}, link, h('span', { class: 'item-buttons' }, rename, remove));
  /** @param {Conversation} conversation @param {{ status: string | undefined, current: boolean }} state */
  const update = (conversation, { status, current }) => {
    shown = conversation;
    const name = conversation.title ?? 'Untitled';
    setText(title, name);
    setAttribute(link, 'href', `#${encodeURIComponent(conversation.conversationId)}`);
    setAttribute(link, 'aria-current', current ? 'page' : null);
    const [words, tone] = BADGES[status ?? ''] ?? ['', ''];
    setText(badge, words);
    setAttribute(badge, 'class', `chip ${tone}`);
    badge.hidden = words === '';
    setAttribute(rename, 'aria-label', `Rename ${name}`);
    setAttribute(remove, 'aria-label', `Delete ${name}`);
  };
  return { element, update };
}

/** @param {HTMLElement} list @param {ListEvents} events */
export function createConversationsView(list, events) {
  /** @type {Map<string, ReturnType<typeof createItem>>} */
  const items = new Map();

  /** @param {Conversation[]} conversations @param {{ statuses: ReadonlyMap<string, string>, current: string | null }} state */
  const update = (conversations, { statuses, current }) => {
    const ids = new Set(conversations.map(({ conversationId }) => conversationId));
    for (const [id, item] of items) {
      if (ids.has(id)) continue;
      item.element.remove();
      items.delete(id);
    }
    for (const [index, conversation] of conversations.entries()) {
      const { conversationId } = conversation;
      const item = items.get(conversationId) ?? createItem(events);
      items.set(conversationId, item);
      item.update(conversation, {
        status: statuses.get(conversationId),
        current: current === conversationId,
      });
      // Only what moved is moved: the focus stays.
      const there = list.children[index];
      if (there !== item.element) list.insertBefore(item.element, there ?? null);
    }
  };
  return { update };
}
