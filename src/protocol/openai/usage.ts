/** Token counts in OpenAI's form. */
import type { Usage } from '../generation.ts';

/** The value of `usage`, as JSON. */
export function encodeUsage(usage: Usage): string {
  return (
    `{"prompt_tokens":${usage.promptTokens},"completion_tokens":${usage.completionTokens},` +
    `"total_tokens":${usage.promptTokens + usage.completionTokens},` +
    `"prompt_tokens_details":{"cached_tokens":${usage.cachedTokens}},` +
    `"completion_tokens_details":{"reasoning_tokens":${usage.reasoningTokens}}}`
  );
}
