import { z } from 'zod';
import { unsupported } from './refusals.ts';

/** Content of a message: a text, or parts. What kind of parts is looked at by `textOf`. */
export const contentSchema = z.union([
  z.string(),
  z.array(z.looseObject({ type: z.string(), text: z.string().optional() })).max(1_000),
]);
export type Content = z.infer<typeof contentSchema>;

const TEXTS: readonly string[] = ['text', 'input_text', 'output_text'];

/** Its text. Throws a 400 that names `param` where there is anything else, such as an image. */
export function textOf(content: Content, param: string): string {
  if (typeof content === 'string') return content;
  const texts = content.map(({ type, text, ...rest }) => {
    if (type === 'refusal' && typeof rest['refusal'] === 'string') return rest['refusal'];
    if (TEXTS.includes(type) && text !== undefined) return text;
    throw unsupported(param, 'Only text is read.');
  });
  return texts.join('\n');
}
