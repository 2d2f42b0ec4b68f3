import type { AppContext } from '../../http/context.ts';
import type { UserCall } from '../../http/route.ts';
import { respondWithStream } from '../../http/sse-response.ts';
import type { Subscribed } from '../../stream/generations.ts';
import type { LogEvent } from '../../stream/events.ts';
import { subscribeEncoded } from '../encoded-stream.ts';
import { agUiEncoder } from './fold.ts';
import type { RunNames } from './fold-state.ts';
import { messagesOf, newestOf } from './messages.ts';
import { type GenerationPlace, placeOf } from './place-of.ts';

export interface Wanted {
  generationId: string;
  names: RunNames;
  snapshot: boolean;
  cursor?: string | undefined;
  /** Where that is known without looking. */
  place?: GenerationPlace | undefined;
}

type Context = Pick<AppContext, 'generations' | 'conversations' | 'clock' | 'ids' | 'openStreams'>;

/** The GET that goes on where a response was cut. */
export function runUrl({ generationId, names, snapshot }: Wanted): string {
  const { threadId, runId, after } = names;
  const query = new URLSearchParams({
    ...(threadId !== undefined && { threadId }),
    ...(runId !== undefined && { runId }),
    ...(after !== undefined && { after }),
    ...(snapshot && { snapshot: '1' }),
  });
  const path = `/ag-ui/runs/${encodeURIComponent(generationId)}`;
  return query.size > 0 ? `${path}?${query.toString()}` : path;
}

/** Responses that are streams of AG-UI events. */
export function createAgUiStreams(ctx: Context) {
  const { generations, conversations, clock, ids, openStreams } = ctx;

  const historyOf = async (place: GenerationPlace | undefined) => {
    if (!place?.userMessageId) return [];
    return newestOf(await conversations.branch(place.conversationId, place.userMessageId));
  };

  return {
    /** `begin` says what is wanted; before that the place is reserved, so that a refused call has started nothing. */
    respond: async (
      { res, owner }: UserCall,
      begin: () => Promise<Wanted | (() => Promise<Subscribed>)>,
    ): Promise<void> => {
      const place = openStreams.reserve(owner);
      try {
        const wanted = await begin();
        if (typeof wanted === 'function') {
          return await respondWithStream({ res, subscribe: wanted, place, ids, clock });
        }
        const { generationId, names, snapshot, cursor } = wanted;
        announce(res, wanted);
        const subscribe = async (): Promise<Subscribed> => {
          const at = wanted.place ?? (await placeOf(generations, owner, generationId));
          const encoder = agUiEncoder({ names, snapshot, history: await historyOf(at) });
          const from = { generationId, cursor, ...beginAt(names) };
          return subscribeEncoded(generations, { owner, encoder }, from);
        };
        await respondWithStream({ res, subscribe, place, ids, clock });
      } catch (error) {
        place.release();
        throw error;
      }
    },

    /** Of a thread that nothing was ever generated in, or whose generations are long forgotten. */
    still: async (conversationId: string, threadId: string): Promise<Subscribed> => {
      const last = await conversations.lastMessage(conversationId);
      const place = last && { conversationId, userMessageId: last.messageId };
      const messages = (await historyOf(place)).flatMap(messagesOf);
      const names = { threadId, runId: `${conversationId}.0` };
      const events = [
        { type: 'RUN_STARTED', ...names },
        { type: 'MESSAGES_SNAPSHOT', messages },
        { type: 'RUN_FINISHED', ...names, outcome: { type: 'success' } },
      ];
      const shown = messages.length > 0 ? events : [];
      return textOnly(shown.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''));
    },
  };
}

function announce(res: UserCall['res'], wanted: Wanted): void {
  res.setHeader('Location', runUrl(wanted));
  res.setHeader('X-Generation-Id', wanted.generationId);
}

function beginAt({ after }: RunNames): { begin?: (event: LogEvent) => boolean } {
  if (after === undefined) return {};
  return { begin: ({ body }) => body.type === 'action_resolved' && body.actionId === after };
}

/** A stream that says this, and is over. */
function textOnly(text: string): Subscribed {
  return {
    outcome: 'open',
    open: (sink) => {
      sink.write(Buffer.from(`${text}: eos\n\n`), true);
      sink.end();
      return { drained: () => {}, close: () => {} };
    },
  };
}
