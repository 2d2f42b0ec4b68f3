import type { TokenCount } from '../../stream/message.ts';

/** Token counts in the words of both of OpenAI's protocols. */

export function completionUsage(count: TokenCount) {
  const { inputTokens, outputTokens, cacheRead, reasoning } = count;
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cacheRead },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}

export function responseUsage(count: TokenCount) {
  const { inputTokens, outputTokens, cacheRead, reasoning } = count;
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: cacheRead },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: inputTokens + outputTokens,
  };
}

export const NO_TOKENS: TokenCount = {
  inputTokens: 0,
  outputTokens: 0,
  cacheRead: 0,
  reasoning: 0,
};

/** What was used since `before`. */
export function usedSince(count: TokenCount, before: TokenCount): TokenCount {
  return {
    inputTokens: count.inputTokens - before.inputTokens,
    outputTokens: count.outputTokens - before.outputTokens,
    cacheRead: count.cacheRead - before.cacheRead,
    reasoning: count.reasoning - before.reasoning,
  };
}

/** Seconds since 1970, as OpenAI counts time. */
export function seconds(iso: string): number {
  return Math.floor(Date.parse(iso) / 1_000);
}
