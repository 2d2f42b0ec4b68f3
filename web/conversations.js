import { api } from './api.js';
/** @import { Conversation } from './types.d.ts' */

/** The conversations of this person and what they are doing; asked for again now and then, and when another tab says so. */

const POLL_MS = 4_000;
/** Of so many at most it is asked how their last answer ended. */
const MAX_LOOKS = 10;

/**
 * @param {{ onChange: () => void, onError: (error: Error) => void,
 *   onActive: (active: ReadonlyMap<string, string>) => void }} events `onActive`: generation by conversation
 */
export function createConversations({ onChange, onError, onActive }) {
  /** @type {Conversation[]} */
  let items = [];
  /** @type {string | null} */
  let next = null;
  /** @type {Map<string, string>} by conversation */
  let live = new Map();
  /** How the last answer ended, by conversation. @type {Map<string, { updatedAt: string, status: string }>} */
  const ended = new Map();

  const look = async () => {
    const unknown = items
      .filter(
        ({ conversationId, updatedAt }) =>
          !live.has(conversationId) && ended.get(conversationId)?.updatedAt !== updatedAt,
      )
      .slice(0, MAX_LOOKS);
    for (const { conversationId, updatedAt } of unknown) {
      const { generation } = await api.status(conversationId);
      ended.set(conversationId, { updatedAt, status: generation?.status ?? '' });
      if (generation?.status === 'failed') onChange();
    }
  };

  const poll = async () => {
    const { generations } = await api.active();
    live = new Map(generations.map(({ conversationId, status }) => [conversationId, status]));
    onActive(
      new Map(
        generations.map(({ conversationId, generationId }) => [conversationId, generationId]),
      ),
    );
    onChange();
  };

  /** @param {() => Promise<void>} work */
  const guarded = (work) => work().catch(onError);

  const refresh = () =>
    guarded(async () => {
      const page = await api.conversations(null);
      const fresh = new Set(page.items.map(({ conversationId }) => conversationId));
      const older = next === null ? [] : items.slice(page.items.length);
      if (older.length === 0) next = page.nextCursor;
      items = [...page.items, ...older.filter(({ conversationId }) => !fresh.has(conversationId))];
      await poll();
      await look();
    });

  setInterval(() => {
    if (document.visibilityState === 'visible') void guarded(poll);
  }, POLL_MS);

  return {
    refresh,
    more: () =>
      guarded(async () => {
        const page = await api.conversations(next);
        next = page.nextCursor;
        const known = new Set(items.map(({ conversationId }) => conversationId));
        items = [
          ...items,
          ...page.items.filter(({ conversationId }) => !known.has(conversationId)),
        ];
        onChange();
      }),
    items: () => items,
    hasMore: () => next !== null,
    /** Status of each that has one to show. */
    statuses: () =>
      new Map([
        ...[...ended].map(([id, { status }]) => /** @type {const} */ ([id, status])),
        ...live,
      ]),
    /** What the open conversation knows before anybody is asked. @param {string} id @param {string} status @param {boolean} active */
    set(id, status, active) {
      if (active) live.set(id, status);
      else {
        live.delete(id);
        ended.set(id, { updatedAt: '', status });
      }
      onChange();
    },
    /** @param {string} id */
    drop(id) {
      items = items.filter(({ conversationId }) => conversationId !== id);
      onChange();
    },
  };
}
