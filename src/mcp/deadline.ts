/** What `task` gives, or a rejection with the signal's reason as soon as it aborts. The task itself goes on. */
export async function clockedOut<T>(task: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([task, aborted]);
  } finally {
    if (abort) signal.removeEventListener('abort', abort);
  }
}
