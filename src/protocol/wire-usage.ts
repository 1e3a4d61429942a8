/**
 * Token counts as upstreams spell them, as `Usage`.
 *
 * OpenAI and vLLM: `prompt_tokens_details.cached_tokens`, `completion_tokens_details
 * .reasoning_tokens`; DeepSeek: `prompt_cache_hit_tokens`; SGLang: `reasoning_tokens` beside the
 * sums (https://api-docs.deepseek.com, OpenAI's openapi.yaml, sglang's openai/protocol.py).
 */

import type { Usage } from './generation.ts';
import { record } from './json-record.ts';

/** The parsed value of a `usage` field; undefined where it holds no counts. */
export function usageFrom(value: unknown): Usage | undefined {
  const usage = record(value);
  if (usage === undefined) return undefined;
  const promptTokens = count(usage['prompt_tokens']);
  const completionTokens = count(usage['completion_tokens']);
  if (promptTokens === undefined && completionTokens === undefined) return undefined;
  const prompt = record(usage['prompt_tokens_details']);
  const completion = record(usage['completion_tokens_details']);
  return {
    promptTokens: promptTokens ?? 0,
    completionTokens: completionTokens ?? 0,
    reasoningTokens:
      count(completion?.['reasoning_tokens']) ?? count(usage['reasoning_tokens']) ?? 0,
    cachedTokens: count(prompt?.['cached_tokens']) ?? count(usage['prompt_cache_hit_tokens']) ?? 0,
  };
}

/** The usage of a whole JSON body; undefined where it has none or is not JSON. */
export function usageFromBody(body: Buffer): Usage | undefined {
  try {
    return usageFrom(record(JSON.parse(body.toString()))?.['usage']);
  } catch {
    return undefined;
  }
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}
