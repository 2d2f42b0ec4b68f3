import { request } from './api.ts';

/** What `/metrics` says of a metric without labels; 0 where it is not there yet. */
export async function gaugeOf(baseUrl: string, name: string): Promise<number> {
  const { text } = await request(baseUrl, { path: '/metrics' });
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
}
