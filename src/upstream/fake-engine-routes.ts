/**
 * The routes beside generation that tell the engines apart, as each of them answers. Pure.
 */
import type { WireEngine } from '../protocol/wire-request.ts';
import type { FakeRequest } from './fake-answer.ts';

export interface FakeEngine {
  readonly engine: WireEngine;
  readonly model: string;
  readonly contextTokens: number | undefined;
  readonly slots: number | undefined;
  readonly loading: boolean;
}

/** A text or a JSON body. */
export interface FakeSideAnswer {
  readonly status: number;
  readonly body: string | object;
}

const OWNERS: Readonly<Record<WireEngine, string>> = {
  openai: 'someone',
  vllm: 'vllm',
  sglang: 'sglang',
  'llama-server': 'llamacpp',
};

const METRICS = `# HELP vllm:kv_cache_usage_perc KV-cache usage. 1 means 100 percent usage.
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.5
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="m"} 100.0
`;

/** What the engine answers; 404 where it has no such route. */
export function fakeSideAnswer(fake: FakeEngine, request: FakeRequest): FakeSideAnswer {
  const { engine, loading } = fake;
  if (loading && engine === 'llama-server') {
    const error = { code: 503, message: 'Loading model', type: 'unavailable_error' };
    return { status: 503, body: { error } };
  }
  if (loading) return { status: 503, body: 'loading' };
  const path = request.path.replace(/\?.*$/, '');
  if (path === '/v1/models') return { status: 200, body: models(fake) };
  if (path === '/v1/embeddings') return { status: 200, body: embeddings(request) };
  const found = ENGINE_ROUTES[engine](fake, path, request);
  return found ?? { status: 404, body: { detail: 'Not Found' } };
}

type Routes = (fake: FakeEngine, path: string, request: FakeRequest) => FakeSideAnswer | undefined;

const ENGINE_ROUTES: Readonly<Record<WireEngine, Routes>> = {
  openai: () => undefined,
  vllm(_, path, { body }) {
    if (path === '/version') return { status: 200, body: { version: '0.29.0' } };
    if (path === '/health') return { status: 200, body: '' };
    if (path === '/metrics') return { status: 200, body: METRICS };
    if (path === '/tokenize') return { status: 200, body: { tokens: codes(body['prompt']) } };
    if (path === '/detokenize') return { status: 200, body: { prompt: text(body['tokens']) } };
    return undefined;
  },
  sglang({ model }, path, { body }) {
    if (path === '/get_model_info') {
      return { status: 200, body: { model_path: model, is_generation: true } };
    }
    if (path === '/v1/tokenize') return { status: 200, body: { tokens: codes(body['prompt']) } };
    if (path === '/v1/detokenize') return { status: 200, body: { text: text(body['tokens']) } };
    return undefined;
  },
  'llama-server'({ slots = 4, contextTokens = 4096 }, path, { body }) {
    if (path === '/health') return { status: 200, body: { status: 'ok' } };
    if (path === '/props') {
      const settings = { n_ctx: contextTokens };
      return { status: 200, body: { total_slots: slots, default_generation_settings: settings } };
    }
    if (path === '/tokenize') return { status: 200, body: { tokens: codes(body['content']) } };
    if (path === '/detokenize') return { status: 200, body: { content: text(body['tokens']) } };
    if (path === '/apply-template') {
      const messages = body['messages'] as readonly { content: string }[];
      return { status: 200, body: { prompt: messages.map(({ content }) => content).join('|') } };
    }
    return undefined;
  },
};

function models({ engine, model, contextTokens }: FakeEngine): object {
  const limit = engine === 'llama-server' ? {} : { max_model_len: contextTokens };
  const meta =
    engine === 'llama-server' ? { meta: { n_ctx_train: 32_768, n_params: 10_000_000 } } : {};
  const entry = { id: model, object: 'model', owned_by: OWNERS[engine], ...limit, ...meta };
  return { object: 'list', data: [entry] };
}

function embeddings({ body }: FakeRequest): object {
  const data = [{ object: 'embedding', index: 0, embedding: [0.5, -0.5] }];
  return {
    object: 'list',
    data,
    model: body['model'],
    usage: { prompt_tokens: 1, total_tokens: 1 },
  };
}

/** The fake tokenizer: one token per code point. */
function codes(value: unknown): readonly number[] {
  return Array.from(String(value), (character) => character.codePointAt(0) ?? 0);
}

function text(tokens: unknown): string {
  return Array.isArray(tokens) ? String.fromCodePoint(...(tokens as number[])) : '';
}
