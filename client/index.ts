export { ResumeError, resumableFetch } from './resumable-fetch.ts';
export type { Reconnect, ResumableFetchOptions } from './resumable-fetch.ts';
export { fold } from './fold.ts';
export type * from './types.ts';
