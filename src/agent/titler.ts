import type { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { HumanMessage, SystemMessage } from '@langchain/core/messages';
import type { Clock } from '../lib/clock.ts';
import type { Titler, TitleOf } from './agent-runner.ts';
import type { CallMeter } from './meter.ts';
import { countTokens } from './token-count.ts';

const MAX_TITLE_CHARS = 60;
const ASK = `Write a title of at most six words for a conversation that begins with the user's message. Answer with the title alone, in the language of the message.`;
/** Enough of a message to know what it is about. */
const MAX_ASK_CHARS = 2_000;

/** One line without control characters or doubled spaces. */
function plain(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

function shorten(text: string): string {
  const segments = new Intl.Segmenter().segment(text.slice(0, 1_000));
  const characters = Array.from(segments, ({ segment }) => segment);
  if (characters.length <= MAX_TITLE_CHARS) return text;
  const cut = characters.slice(0, MAX_TITLE_CHARS - 1).join('');
  const space = cut.lastIndexOf(' ');
  // A language without spaces, or one endless word, is cut where it must be.
  return `${(space > cut.length / 2 ? cut.slice(0, space) : cut).trimEnd()}…`;
}

/** The first sentence of the first line that says something. Pure. */
export function titleFromText(text: string): string {
  const line =
    text
      .slice(0, 10_000)
      .split(/[\r\n]+/)
      .map(plain)
      .find((each) => each !== '') ?? '';
  const [first = ''] = line.split(/(?<=[.!?。！？])\s+/u);
  const title = shorten(first.replace(/[.。]$/u, ''));
  return title === '' ? 'New conversation' : title;
}

export interface TitlerDeps {
  /** Writes the titles of an agent's conversations; undefined: they come from the text. */
  modelOf: (agentId: string | undefined) => (() => Promise<BaseChatModel>) | undefined;
  /** Who pays for a title; nobody where not given. */
  meterOf?: (of: TitleOf) => CallMeter | undefined;
  clock: Clock;
  timeoutMs: number;
  /** Told of a model that failed; the title comes from the text. */
  failed: (error: unknown) => void;
}

interface Asked {
  text: string;
  signal: AbortSignal;
  meter: CallMeter | undefined;
}

async function ask(model: BaseChatModel, { text, signal, meter }: Asked): Promise<string> {
  const messages = [new SystemMessage(ASK), new HumanMessage(text.slice(0, MAX_ASK_CHARS))];
  await meter?.check();
  const answer = await model.invoke(messages, { signal });
  const tokens = countTokens(answer.usage_metadata);
  if (tokens) await meter?.used('title', tokens);
  return shorten(plain(answer.text).replaceAll(/^["'“”«»]+|["'“”«».]+$/gu, ''));
}

/** Rejects as soon as `signal` aborts, whatever `work` does. */
function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason);
    if (signal.aborted) aborted();
    signal.addEventListener('abort', aborted, { once: true });
    work.finally(() => signal.removeEventListener('abort', aborted)).then(resolve, reject);
  });
}

export function createTitler({ modelOf, meterOf, clock, timeoutMs, failed }: TitlerDeps): Titler {
  return {
    async title(text, signal, of) {
      const fallback = titleFromText(text);
      const model = modelOf(of?.agentId);
      const meter = of && meterOf?.(of);
      if (!model || signal.aborted) return fallback;
      const stop = new AbortController();
      const aborted = (): void => stop.abort(signal.reason);
      signal.addEventListener('abort', aborted, { once: true });
      const timer = clock.after(timeoutMs, () => stop.abort(new Error('The title took too long.')));
      try {
        const work = model().then((ready) => ask(ready, { text, signal: stop.signal, meter }));
        return (await within(work, stop.signal)) || fallback;
      } catch (error) {
        // A title is not worth a failure: too slow, stopped, or the provider failed.
        if (!signal.aborted) failed(error);
        return fallback;
      } finally {
        timer.cancel();
        signal.removeEventListener('abort', aborted);
      }
    },
  };
}
