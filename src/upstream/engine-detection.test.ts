import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  detectEngine,
  type EngineAnswers,
  isModelList,
  readModels,
  readSlots,
} from './engine-detection.ts';
import { readEngineMetrics } from './engine-metrics.ts';

const NOTHING: EngineAnswers = {
  models: undefined,
  version: undefined,
  modelInfo: undefined,
  props: undefined,
  metricsOf: undefined,
};
const owned = (owner: string) => ({ object: 'list', data: [{ id: 'm', owned_by: owner }] });

describe('engine detection', () => {
  const CASES = [
    ['nothing known', {}, 'openai'],
    ['a version alone proves nothing', { version: { version: '1' } }, 'openai'],
    ['vLLM by its metrics', { metricsOf: 'vllm' }, 'vllm'],
    ['vLLM without metrics', { version: { version: '1' }, models: owned('vllm') }, 'vllm'],
    [
      'SGLang by its model info',
      { modelInfo: { model_path: '/m', is_generation: true } },
      'sglang',
    ],
    ['SGLang by its metrics', { metricsOf: 'sglang' }, 'sglang'],
    ['llama-server by its slots', { props: { total_slots: 1 } }, 'llama-server'],
    ['llama-server by its models', { models: owned('llamacpp') }, 'llama-server'],
    ['a public API', { models: owned('deepseek') }, 'openai'],
    ['routes that answer anything', { version: 'x', modelInfo: [], props: null }, 'openai'],
  ] as const;
  for (const [name, answers, expected] of CASES) {
    it(`knows ${name}: ${expected}`, () => {
      assert.equal(detectEngine({ ...NOTHING, ...answers }), expected);
    });
  }

  it('reads what each engine says about its models', () => {
    const models = {
      data: [
        { id: 'a', max_model_len: 163_840, owned_by: 'vllm' },
        { id: '' },
        {},
        'x',
        { id: 'b' },
      ],
    };
    assert.deepEqual(
      readModels(models, undefined).map(({ id, contextTokens, ownedBy }) => [
        id,
        contextTokens,
        ownedBy,
      ]),
      [
        ['a', 163_840, 'vllm'],
        ['b', undefined, undefined],
      ],
    );
    const llama = { data: [{ id: 'c', meta: { n_ctx_train: 32_768, n_params: 7 } }] };
    const props = { default_generation_settings: { n_ctx: 4096 }, total_slots: 2 };
    assert.deepEqual(readModels(llama, props)[0], {
      id: 'c',
      contextTokens: 4096,
      parameters: 7,
      ownedBy: undefined,
    });
    assert.equal(readModels(llama, undefined)[0]?.contextTokens, 32_768);
    assert.equal(readSlots(props), 2);
    assert.equal(readSlots({ total_slots: 0 }), undefined);
    assert.equal(isModelList({ data: [] }), true);
    assert.equal(isModelList({ models: [] }), false);
  });

  it('reads metrics under old and new names, over ranks', () => {
    const page = (name: string) =>
      `# TYPE ${name} gauge\n${name}{engine="0"} 0.25\n${name}{engine="1",model_name="a b"} 0.75\n${name}_other 9\n`;
    for (const name of ['vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc']) {
      assert.deepEqual(readEngineMetrics(page(name)), {
        engine: 'vllm',
        kvUsageRatio: 0.75,
        generatedTokens: undefined,
      });
    }
    assert.equal(readEngineMetrics(page('sglang:token_usage')).kvUsageRatio, 0.75);
    const llama = 'llamacpp:tokens_predicted_total 42\nllamacpp:requests_processing 1\n';
    assert.deepEqual(readEngineMetrics(llama), {
      engine: 'llama-server',
      kvUsageRatio: undefined,
      generatedTokens: 42,
    });
    const both = 'vllm:generation_tokens_total{e="0"} 1e3\nvllm:generation_tokens_total{e="1"} 5\n';
    assert.equal(readEngineMetrics(both).generatedTokens, 1005);
    assert.deepEqual(readEngineMetrics('<html>'), {
      engine: undefined,
      kvUsageRatio: undefined,
      generatedTokens: undefined,
    });
  });
});
