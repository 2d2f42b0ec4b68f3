import { request, startTurn, type Turn } from './api.ts';
import { gaugeOf } from './gauge.ts';
import type { ServerProcess } from './server-process.ts';
import { eventually } from './services.ts';

const TRIES = 10;
const PATIENCE_MS = 60_000;

export function drivenBy({ baseUrl }: ServerProcess): Promise<number> {
  return gaugeOf(baseUrl, 'holdfast_generations_in_flight');
}

/**
 * Starts a turn that `driver` drives. Mostly it does so where the turn is sent, but another replica that looks at the
 * queue at this moment may be first: then it is stopped, and started again. Nothing else may be under way.
 */
export async function startDrivenAt(
  driver: ServerProcess,
  { other, text }: { other: ServerProcess; text: string },
): Promise<Turn> {
  const runs = async (): Promise<number> => (await drivenBy(driver)) + (await drivenBy(other));
  for (let n = 0; n < TRIES; n += 1) {
    await eventually('nothing is driven', async () => (await runs()) === 0, PATIENCE_MS);
    const turn = await startTurn(driver.baseUrl, { text });
    await eventually('it is driven', async () => (await runs()) > 0, PATIENCE_MS);
    if ((await drivenBy(driver)) > 0) return turn;
    const { generationId } = turn;
    await request(other.baseUrl, { path: '/api/chat/abort', body: { generationId } });
  }
  throw new Error(`the other one drives, ${TRIES} times`);
}
