import { z } from 'zod';
import type { ToolEffects } from '../agent/agent-runner.ts';
import type { McpServerEntry } from '../config/file/schema.ts';
import { matchesPlainGlob } from '../hitl/glob.ts';

/** What a server says of a tool of its own. Hints: it may be wrong, or lie. */
export const annotationsSchema = z.looseObject({
  readOnlyHint: z.boolean().optional().catch(undefined),
  idempotentHint: z.boolean().optional().catch(undefined),
  destructiveHint: z.boolean().optional().catch(undefined),
});
export type Annotations = z.output<typeof annotationsSchema>;

/**
 * What a crash in the middle of a call means, and whether the default policy asks. The operator's word comes first.
 * A tool that is not said to destroy nothing may still send a letter, so without a hint of harmlessness it is `unsafe`.
 */
export function effectsOf(
  { effects, trustAnnotations }: Pick<McpServerEntry, 'effects' | 'trustAnnotations'>,
  { name, annotations = {} }: { name: string; annotations?: Annotations },
): ToolEffects {
  const said = effects.find(({ tools }) => matchesPlainGlob(tools, name));
  if (said) return said.effects;
  if (!trustAnnotations) return 'unsafe';
  const { readOnlyHint, idempotentHint, destructiveHint } = annotations;
  if (readOnlyHint === true) return 'read';
  return idempotentHint === true && destructiveHint !== true ? 'idempotent' : 'unsafe';
}
