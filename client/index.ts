export { ResumeError, resumableFetch } from './resumable-fetch.ts';
export type { Reconnect, ResumableFetchOptions } from './resumable-fetch.ts';
export { fold } from './fold.ts';
export type * from './types.ts';
export { createChatClient } from './chat-client.ts';
export type {
  ActionRef,
  Aborted,
  AgainOptions,
  ChatClient,
  ChatClientOptions,
  MessageRef,
  Page,
  PageOptions,
  Resumed,
  SendOptions,
  Target,
  AttachedTurn,
  Turn,
} from './chat-client.ts';
export { ApiError } from './api.ts';
export type { CallOptions } from './api.ts';
