/** @import { Conversation, Message, PendingAction, Started, Status, UploadedFile, Verdict } from './types.d.ts' */

/** Calls of the native API (docs/PROTOCOL.md). */

/** A refusal, or no answer at all (status 0). */
export class ApiError extends Error {
  /** @param {{ status: number, code: string, message: string, details?: any, retryAfter?: number }} refusal */
  constructor({ status, code, message, details, retryAfter }) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.details = details ?? {};
    this.retryAfter = retryAfter ?? 0;
  }

  /** The same request may work in a moment. */
  get passing() {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** @param {Response} response */
async function refusal(response) {
  const body = await response.json().catch(() => ({}));
  const {
    code = 'HTTP_ERROR',
    message = `The server answered ${response.status}.`,
    details,
  } = body.error ?? {};
  const retryAfter = Number(response.headers.get('Retry-After') ?? 0);
  return new ApiError({ status: response.status, code, message, details, retryAfter });
}

/**
 * @param {string} path @param {{ method?: string, body?: unknown, headers?: Record<string, string> }} [options]
 * @returns {Promise<any>}
 */
async function call(path, { method = 'GET', body, headers = {} } = {}) {
  /** @type {Record<string, string>} */
  const json = body === undefined ? {} : { 'Content-Type': 'application/json' };
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { Accept: 'application/json', ...json, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    // fetch rejects only where no answer came.
    throw new ApiError({ status: 0, code: 'NO_ANSWER', message: 'The server can not be reached.' });
  }
  if (!response.ok) throw await refusal(response);
  return response.status === 204 ? undefined : response.json();
}

/**
 * @param {string} path with a query
 * @param {(path: string) => Promise<any>} get
 * @returns {Promise<any[]>}
 */
async function allPages(path, get) {
  const items = [];
  /** @type {string | null} */
  let cursor = null;
  do {
    const page = await get(
      `${path}&limit=100${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return items;
}

const conversation = (/** @type {string} */ id) => `/api/conversations/${encodeURIComponent(id)}`;

export const api = {
  /** @param {string | null} cursor @returns {Promise<{ items: Conversation[], nextCursor: string | null }>} */
  conversations: (cursor) =>
    call(
      `/api/conversations?limit=30${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
    ),
  /**
   * The newest branch; of those that go through a message where one is given.
   * @param {string} id @param {string | null} through @returns {Promise<Message[]>}
   */
  branch: (id, through) =>
    allPages(
      `${conversation(id)}/messages?${through === null ? 'leaf=latest' : `through=${through}`}`,
      call,
    ),
  /** @param {string} id @param {string} title @returns {Promise<Conversation>} */
  rename: (id, title) => call(conversation(id), { method: 'PATCH', body: { title } }),
  /** @param {string} id @returns {Promise<void>} */
  remove: (id) => call(conversation(id), { method: 'DELETE' }),
  /** @param {string} id @returns {Promise<Status>} */
  status: (id) => call(`/api/chat/status/${encodeURIComponent(id)}`),
  /** @returns {Promise<{ generations: { generationId: string, conversationId: string, status: string }[] }>} */
  active: () => call('/api/chat/active'),
  /** @param {File} file @returns {Promise<UploadedFile>} */
  async upload(file) {
    const headers = { 'X-File-Name': encodeURIComponent(file.name) };
    const response = await fetch('/api/files', { method: 'POST', headers, body: file }).catch(
      () => {
        throw new ApiError({ status: 0, code: 'NO_ANSWER', message: 'The file was not sent.' });
      },
    );
    if (!response.ok) throw await refusal(response);
    return response.json();
  },
  /** @param {{ text: string, messageId: string, conversationId?: string, parentMessageId?: string, onBusy?: string, files?: { fileId: string }[] }} body @returns {Promise<Started>} */
  start: (body) => call('/api/chat', { method: 'POST', body }),
  /**
   * Another answer, or the rest of one; with one key it is one turn.
   * @param {'regenerate' | 'continue'} how @param {{ conversationId: string, messageId: string }} body
   * @param {string} key @returns {Promise<Started>}
   */
  again: (how, body, key) =>
    call(`/api/chat/${how}`, { method: 'POST', body, headers: { 'Idempotency-Key': key } }),
  /** @param {PendingAction} action @param {Verdict} verdict */
  resume: ({ generationId, actionId }, verdict) =>
    call('/api/chat/resume', { method: 'POST', body: { generationId, actionId, ...verdict } }),
  /** @param {string} generationId */
  abort: (generationId) => call('/api/chat/abort', { method: 'POST', body: { generationId } }),
  /** @param {string} token */
  signIn: (token) =>
    call('/api/auth/session', { method: 'POST', headers: { Authorization: `Bearer ${token}` } }),
};

export const streamUrl = (/** @type {string} */ streamId) =>
  `/api/chat/stream/${encodeURIComponent(streamId)}`;

/** 128 random bits. Not randomUUID: that exists in secure contexts only. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `msg_${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
