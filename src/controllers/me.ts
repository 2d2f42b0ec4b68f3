import { once } from 'node:events';
import { z } from 'zod';
import { readBody } from '../http/body.ts';
import type { AppContext } from '../http/context.ts';
import type { UserCall } from '../http/route.ts';

type Context = Pick<AppContext, 'config' | 'userData'>;

/** So that nobody deletes everything by a wrong address. */
export const eraseSchema = z.strictObject({ confirm: z.literal('delete everything') });

/** All of a user's data. */
export function createMeController({ config, userData }: Context) {
  const { limits } = config;

  return {
    export: async ({ res, owner }: UserCall): Promise<void> => {
      const lines = userData.export(owner)[Symbol.asyncIterator]();
      // Before the head goes out: a store that can't be reached is still an honest status.
      let next = await lines.next();
      res.setHeader('Content-Type', 'application/x-ndjson; charset=utf-8');
      res.setHeader('Content-Disposition', 'attachment; filename="export.ndjson"');
      const gone = new AbortController();
      res.once('close', () => gone.abort());
      try {
        while (!next.done && !res.destroyed) {
          const room = res.write(`${JSON.stringify(next.value)}\n`);
          if (!room) await once(res, 'drain', { signal: gone.signal });
          next = await lines.next();
        }
        res.end();
      } catch (error) {
        if (!gone.signal.aborted) throw error;
      } finally {
        await lines.return?.();
      }
    },

    erase: async ({ req, res, owner }: UserCall): Promise<void> => {
      await readBody(req, { schema: eraseSchema, limits });
      const requestedAt = await userData.erase(owner);
      res.status(202).json({ status: 'deleting', requestedAt });
    },
  };
}

export type MeController = ReturnType<typeof createMeController>;
