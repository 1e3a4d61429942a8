import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { usageFrom, usageFromBody } from './wire-usage.ts';

describe('usage', () => {
  const SPELLINGS = [
    [
      'OpenAI and vLLM',
      {
        prompt_tokens: 9,
        completion_tokens: 5,
        total_tokens: 14,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 3 },
      },
      { promptTokens: 9, completionTokens: 5, reasoningTokens: 3, cachedTokens: 4 },
    ],
    [
      'DeepSeek',
      {
        prompt_tokens: 9,
        completion_tokens: 5,
        prompt_cache_hit_tokens: 6,
        prompt_cache_miss_tokens: 3,
        completion_tokens_details: { reasoning_tokens: 2 },
      },
      { promptTokens: 9, completionTokens: 5, reasoningTokens: 2, cachedTokens: 6 },
    ],
    [
      'SGLang',
      { prompt_tokens: 9, completion_tokens: 5, reasoning_tokens: 1, prompt_tokens_details: null },
      { promptTokens: 9, completionTokens: 5, reasoningTokens: 1, cachedTokens: 0 },
    ],
    [
      'embeddings',
      { prompt_tokens: 9, total_tokens: 9 },
      { promptTokens: 9, completionTokens: 0, reasoningTokens: 0, cachedTokens: 0 },
    ],
  ] as const;
  for (const [name, value, expected] of SPELLINGS) {
    it(`reads the spelling of ${name}`, () => assert.deepEqual(usageFrom(value), expected));
  }

  it('says nothing where there are no counts', () => {
    for (const value of [
      null,
      undefined,
      {},
      [],
      5,
      { prompt_tokens: -1 },
      { prompt_tokens: '5' },
    ]) {
      assert.equal(usageFrom(value), undefined);
    }
    assert.equal(usageFromBody(Buffer.from('<html>')), undefined);
    assert.equal(usageFromBody(Buffer.from('{"choices":[]}')), undefined);
    assert.equal(usageFromBody(Buffer.from('{"usage":{"prompt_tokens":2}}'))?.promptTokens, 2);
  });
});
