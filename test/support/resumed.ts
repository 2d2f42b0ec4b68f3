import {
  type Reconnect,
  resumableFetch,
  type ResumableFetchOptions,
} from '../../client/resumable-fetch.ts';
import { type ScriptedServer, startScriptedServer, type Step } from './scripted-server.ts';
import { afterEach } from '@jest/globals';

export const frame = (n: number, text = `wörd ${n}`): string =>
  `id: t.1.${n}\nevent: text_delta\ndata: {"text":"${text}"}\n\n`;
export const frames = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, index) => frame(from + index)).join('');
export const END = ': eos\n\n';
export const HELLO = ': connected\nretry: 5\n\n';

/** A scripted server of the test that runs, closed behind it. */
export function useScripted(): (...steps: Step[]) => Promise<ScriptedServer> {
  let server: ScriptedServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });
  return async (...steps) => {
    server = await startScriptedServer(steps);
    return server;
  };
}

export interface Read {
  text: string;
  reconnects: Reconnect[];
  error: unknown;
}

/** Reads it to its end or failure; comments are left out. */
export async function read(
  url: string,
  init?: RequestInit,
  options: ResumableFetchOptions = {},
): Promise<Read> {
  const reconnects: Reconnect[] = [];
  const fetcher = resumableFetch({
    maxRetryMs: 5,
    onReconnect: (reconnect) => reconnects.push(reconnect),
    ...options,
  });
  const response = await fetcher(url, init);
  let text = '';
  let error: unknown;
  try {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
  } catch (thrown) {
    error = thrown;
  }
  const blocks = text.split(/(?<=\n\n)/).filter((block) => !block.startsWith(':'));
  return { text: blocks.join(''), reconnects, error };
}
