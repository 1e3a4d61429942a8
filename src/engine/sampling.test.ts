import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samplerSettings } from './sampling.ts';

const input = {
  sampling: {},
  choice: 0,
  randomSeed: 77,
  prompt: Uint32Array.of(1, 2, 3),
  contextTokens: 100,
};

test('a request that says nothing is sampled as R1’s authors advise', () => {
  const settings = samplerSettings(input);
  assert.equal(settings.temperature, 0.6);
  assert.equal(settings.topP, 0.95);
  assert.equal(settings.seed, 77);
  for (const off of ['topK', 'minP', 'penalties', 'bias'] as const) {
    assert.equal(settings[off], undefined);
  }
});

test('choice i samples with seed + i, as an unsigned 32-bit number', () => {
  const seedOf = (seed: number, choice: number): number =>
    samplerSettings({ ...input, sampling: { seed }, choice }).seed;
  assert.equal(seedOf(5, 2), 7);
  assert.equal(seedOf(2 ** 32 - 1, 1), 0);
  assert.equal(seedOf(-1, 0), 2 ** 32 - 1);
});

test('a repetition penalty counts the prompt, presence and frequency alone do not', () => {
  const withRepetition = samplerSettings({ ...input, sampling: { repetitionPenalty: 1.2 } });
  assert.deepEqual(withRepetition.penalties?.history, input.prompt);
  const without = samplerSettings({ ...input, sampling: { presencePenalty: 0.5 } });
  assert.equal(without.penalties?.history.length, 0);
  assert.equal(without.penalties?.windowTokens, 100);
  assert.equal(
    samplerSettings({ ...input, sampling: { frequencyPenalty: 0 } }).penalties,
    undefined,
  );
});

test('logit bias keeps its pairs; top_k 0 means off', () => {
  const { bias, topK } = samplerSettings({
    ...input,
    sampling: { logitBias: { 5: -100, 9: 2.5 }, topK: 0 },
  });
  assert.deepEqual([...bias!.tokens], [5, 9]);
  assert.deepEqual([...bias!.values], [-100, 2.5]);
  assert.equal(topK, undefined);
});
