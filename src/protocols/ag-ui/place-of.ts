import type { FrameSink, Generations, Reader } from '../../stream/generations.ts';
import type { Owner } from '../../stream/job.ts';
import { nativeFrames } from '../native-frames.ts';

export interface GenerationPlace {
  conversationId: string;
  /** That it answers. */
  userMessageId: string | null;
}

/** Where a generation belongs, by its snapshot; undefined while that can't be read. Rejects as `subscribe` does. */
export async function placeOf(
  generations: Pick<Generations, 'subscribe'>,
  owner: Owner,
  generationId: string,
): Promise<GenerationPlace | undefined> {
  const from = { cursor: undefined, snapshot: true };
  const subscribed = await generations.subscribe(owner, generationId, from);
  if (subscribed.outcome !== 'open') return undefined;
  return new Promise((resolve) => {
    let reader: Reader | undefined;
    let over = false;
    const settle = (place?: GenerationPlace): false => {
      over = true;
      reader?.close();
      resolve(place);
      return false;
    };
    const sink: FrameSink = {
      write: (bytes) => {
        const [frame] = nativeFrames(bytes);
        if (!frame) return true;
        return settle(frame.kind === 'event' ? undefined : placeIn(frame.state));
      },
      end: () => void settle(),
      destroy: () => void settle(),
    };
    reader = subscribed.open(sink);
    if (over) reader.close();
  });
}

function placeIn(state: {
  conversationId: string;
  message: { parentMessageId: string | null };
}): GenerationPlace {
  const { conversationId, message } = state;
  return { conversationId, userMessageId: message.parentMessageId };
}
