import type { TokenCount } from '../stream/message.ts';
import { isRecord } from './chunk-content.ts';

/** Servers that imitate a provider send null, fractions or nothing: the log takes whole numbers only. */
function whole(value: unknown): number {
  return typeof value === 'number' && value > 0 && Number.isFinite(value) ? Math.round(value) : 0;
}

function detail(usage: Record<string, unknown>, group: string, name: string): number {
  const details = usage[group];
  return isRecord(details) ? whole(details[name]) : 0;
}

/** Reads LangChain's `usage_metadata`; undefined where the provider told nothing. */
export function countTokens(usage: unknown): TokenCount | undefined {
  if (!isRecord(usage)) return undefined;
  const inputTokens = whole(usage['input_tokens']);
  const outputTokens = whole(usage['output_tokens']);
  if (inputTokens + outputTokens === 0) return undefined;
  return {
    inputTokens,
    outputTokens,
    cacheRead: detail(usage, 'input_token_details', 'cache_read'),
    reasoning: detail(usage, 'output_token_details', 'reasoning'),
  };
}
