import { unavailable } from '../errors.ts';
import type { FrameSink, Reader, Subscribed } from '../stream/generations.ts';

/**
 * All of an encoded stream as text, for a client that wants the answer as a whole. Resolves at its end; rejects with
 * `unavailable` where it is cut, and with the signal's reason when the client leaves. The generation goes on.
 */
export async function collect(
  subscribe: () => Promise<Subscribed>,
  { signal }: { signal: AbortSignal },
): Promise<string> {
  const subscribed = await subscribe();
  if (subscribed.outcome === 'at_end') return '';
  if (subscribed.outcome === 'later') throw unavailable(new Error('the log can not be read yet'));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let reader: Reader | undefined;
    const left = (): void => {
      reader?.close();
      reject(signal.reason);
    };
    const sink: FrameSink = {
      write(frames) {
        chunks.push(Buffer.from(frames));
        return true;
      },
      end() {
        signal.removeEventListener('abort', left);
        resolve(Buffer.concat(chunks).toString('utf8'));
      },
      destroy() {
        signal.removeEventListener('abort', left);
        reject(unavailable(new Error('the log was cut')));
      },
    };
    signal.addEventListener('abort', left, { once: true });
    reader = subscribed.open(sink);
    if (signal.aborted) left();
  });
}
