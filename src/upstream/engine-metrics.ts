/**
 * The few gauges that routing wants, read from an engine's Prometheus page. Names changed between
 * releases, so each is a list, newest first (vLLM's design/metrics.md, SGLang's collector.py,
 * llama.cpp's server README).
 */

export interface EngineMetrics {
  /** Which engine's names are on the page. */
  readonly engine: 'vllm' | 'sglang' | 'llama-server' | undefined;
  /** 0..1, the fullest of the engine's ranks. */
  readonly kvUsageRatio: number | undefined;
  /** Tokens generated since the engine started. */
  readonly generatedTokens: number | undefined;
}

const KV_USAGE = [
  'vllm:kv_cache_usage_perc',
  'vllm:gpu_cache_usage_perc',
  'sglang:full_token_usage',
  'sglang:token_usage',
  'llamacpp:kv_cache_usage_ratio',
];
const GENERATED = [
  'vllm:generation_tokens_total',
  'sglang:generation_tokens_total',
  'llamacpp:tokens_predicted_total',
];

export function readEngineMetrics(page: string): EngineMetrics {
  return {
    engine: engineOf(page),
    kvUsageRatio: first(page, KV_USAGE, (values) => Math.max(...values)),
    generatedTokens: first(page, GENERATED, (values) => values.reduce((sum, one) => sum + one, 0)),
  };
}

function engineOf(page: string): EngineMetrics['engine'] {
  if (/^(# (HELP|TYPE) )?vllm:/m.test(page)) return 'vllm';
  if (/^(# (HELP|TYPE) )?sglang:/m.test(page)) return 'sglang';
  return /^(# (HELP|TYPE) )?llamacpp:/m.test(page) ? 'llama-server' : undefined;
}

function first(
  page: string,
  names: readonly string[],
  join: (values: readonly number[]) => number,
): number | undefined {
  for (const name of names) {
    const lines = page.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([^ \\n]+)`, 'gm'));
    const values = [...lines].map((line) => Number(line[1])).filter(Number.isFinite);
    if (values.length > 0) return join(values);
  }
  return undefined;
}
