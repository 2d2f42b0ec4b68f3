import { BUILT_IN_PROVIDERS, isBuiltInProvider, providerOf } from '../config/file/vocabulary.ts';
import type { NamedProvider } from './models.ts';

/**
 * What an image costs at most, by the formulas of the providers: a history is shortened before its images are read, so
 * how large they are is not known. OpenAI: 85, and 170 for each of at most 8 tiles of 512 px; Anthropic: a 750th of the
 * pixels, of which it leaves at most 1.2 million.
 */
const TOKENS = { openai: 1_445, anthropic: 1_600 } as const;

export const MOST_IMAGE_TOKENS = Math.max(...Object.values(TOKENS));

/** Of an image for the model `name`, `provider:model`; the most of all where the provider is not known. */
export function imageTokensOf(name: string, provider: NamedProvider | undefined): number {
  if (provider) return TOKENS[provider.type];
  const own = providerOf(name) ?? '';
  return isBuiltInProvider(own) ? TOKENS[BUILT_IN_PROVIDERS[own].type] : MOST_IMAGE_TOKENS;
}
