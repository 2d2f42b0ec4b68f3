import type { Redis } from 'ioredis';

/** Closes a connection that does not connect again by itself; resolves when it is over. */
export async function endOf(link: Redis | undefined): Promise<void> {
  if (!link || link.status === 'end') return;
  const ended = new Promise<void>((resolve) => {
    link.once('end', () => resolve());
  });
  link.disconnect();
  await ended;
}
