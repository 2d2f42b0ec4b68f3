import { z } from 'zod';
import { AppError } from '../errors.ts';
import { delay, type Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Owner } from '../stream/owner.ts';

/** Checks of a program's own. */

export type ContentKind = 'turn' | 'answer' | 'title';

export interface ContentInput {
  kind: ContentKind;
  text: string;
  owner: Owner;
}

/** `text`: to be kept in its place. `refuse`: why, in words for the user. */
export type ContentRuling = { ok: true; text?: string } | { refuse: string };

export type ContentHook = (input: ContentInput) => Promise<ContentRuling>;

/** Rejects with UNAVAILABLE where the hook throws, takes too long, or answers something else. */
export type HookRunner = (hook: ContentHook, input: ContentInput) => Promise<ContentRuling>;

const PATIENCE = 10_000;
const MAX_WHY = 500;

const rulingSchema = z.union([
  z.object({ refuse: z.string().transform((why) => why.slice(0, MAX_WHY)) }),
  z.object({ ok: z.literal(true), text: z.string().exactOptional() }),
]);

/** Nothing is let pass that was not looked at. */
export function unchecked(cause: unknown): AppError {
  return new AppError('UNAVAILABLE', 'The text can not be checked at the moment.', {
    cause,
    headers: { 'Retry-After': '5' },
  });
}

export function createHookRunner({ clock, log }: { clock: Clock; log: Log }): HookRunner {
  return async (hook, input) => {
    const over = new AbortController();
    const late = delay(clock, PATIENCE, over.signal).then(() => {
      throw new Error('the hook takes too long');
    });
    // Of a hook that was in time nobody waits for this.
    late.catch(() => undefined);
    try {
      return rulingSchema.parse(await Promise.race([hook(input), late]));
    } catch (error) {
      log.error({ err: error, kind: input.kind }, 'a content hook failed');
      throw unchecked(error);
    } finally {
      over.abort();
    }
  };
}
