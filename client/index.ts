export { ResumeError, resumableFetch } from './resumable-fetch.ts';
export type { Reconnect, ResumableFetchOptions } from './resumable-fetch.ts';
