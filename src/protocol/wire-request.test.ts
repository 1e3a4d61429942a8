import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GenerationRequest } from './generation.ts';
import { encodeWireRequest, type WireTarget } from './wire-request.ts';

const R1: WireTarget = { engine: 'openai', model: 'deepseek-r1' };

const BASE: GenerationRequest = {
  id: 'r',
  model: 'deepseek-r1',
  inputs: [{ kind: 'chat', messages: [{ role: 'user', content: [{ kind: 'text', text: 'hi' }] }] }],
  choicesPerInput: 1,
  sampling: {},
  stop: [],
  echo: false,
  format: { kind: 'text' },
  reasoning: { placement: 'separate' },
  tools: [],
  deterministic: false,
  stream: false,
};

function wired(text: string, more: Partial<GenerationRequest> = {}): GenerationRequest {
  const body = JSON.parse(text) as Record<string, unknown>;
  const stream = body['stream'] === true;
  return { ...BASE, stream, wire: { dialect: 'chat', body, bytes: Buffer.from(text) }, ...more };
}

function encode(request: GenerationRequest, target: WireTarget = R1): unknown {
  return JSON.parse(Buffer.from(encodeWireRequest(request, target).body).toString());
}

describe('request for an upstream', () => {
  it('is the very bytes that came where nothing must change', () => {
    const request = wired(
      '{ "model": "deepseek-r1", "messages":[{"role":"user","content":"é"}], "seed": 1.0 }',
    );
    const { body, path } = encodeWireRequest(request, R1);
    assert.equal(body, request.wire?.bytes);
    assert.equal(path, '/chat/completions');
  });

  it('puts what is only added in front and leaves the rest as it was written', () => {
    const text = ' { "model": "deepseek-r1", "stream": true, "big": 12345678901234567890 }';
    const { body } = encodeWireRequest(wired(text), R1);
    assert.equal(
      Buffer.from(body).toString(),
      '{"stream_options":{"include_usage":true}, "model": "deepseek-r1", "stream": true, "big": 12345678901234567890 }',
    );
  });

  it('asks every stream for usage and keeps the other stream options', () => {
    const stream = (options: object) =>
      (
        encode(
          wired(JSON.stringify({ model: 'deepseek-r1', stream: true, stream_options: options })),
        ) as Record<string, unknown>
      )['stream_options'];
    assert.deepEqual(stream({ include_usage: false, x: 1 }), { include_usage: true, x: 1 });
    assert.deepEqual(stream({ include_usage: true }), { include_usage: true });
  });

  it('names the model as the upstream does and keeps fields unknown here', () => {
    const body = { model: 'mine', messages: [], min_tokens: 5, chat_template_kwargs: { a: [1] } };
    const sent = encode(wired(JSON.stringify(body)), {
      engine: 'vllm',
      model: 'deepseek-ai/DeepSeek-R1',
    });
    assert.deepEqual(sent, { ...body, model: 'deepseek-ai/DeepSeek-R1' });
  });

  it('removes our own fields and says the thinking budget as the engine does (B11)', () => {
    const body = {
      model: 'm',
      deterministic: true,
      reasoning: { max_tokens: 9 },
      reasoning_format: 'none',
    };
    const request = wired(JSON.stringify(body), {
      reasoning: { placement: 'separate', maxTokens: 9 },
    });
    assert.deepEqual(encode(request, { engine: 'openai', model: 'm' }), { model: 'm' });
    assert.deepEqual(encode(request, { engine: 'vllm', model: 'm' }), {
      model: 'm',
      thinking_token_budget: 9,
    });
    assert.deepEqual(encode(request, { engine: 'llama-server', model: 'm' }), {
      model: 'm',
      reasoning_format: 'none',
      thinking_budget_tokens: 9,
    });
    const other = wired('{"model":"m","thinking_token_budget":9}', {
      reasoning: { placement: 'separate', maxTokens: 9 },
    });
    assert.deepEqual(encode(other, { engine: 'vllm', model: 'm' }), {
      model: 'm',
      thinking_token_budget: 9,
    });
    assert.deepEqual(encode(other, { engine: 'sglang', model: 'm' }), { model: 'm' });
  });

  it('takes earlier thoughts out of the history for R1, which refuses them, and for no other (B10)', () => {
    const messages = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b', reasoning_content: 'hm', tool_calls: [] },
      { role: 'assistant', content: 'c', reasoning: 'hm' },
      { role: 'user', content: 'the words reasoning_content stay' },
    ];
    const request = (model: string) => wired(JSON.stringify({ model, messages }));
    for (const model of [
      'deepseek-r1',
      'deepseek-ai/DeepSeek-R1-Distill-Qwen-7B',
      'deepseek-reasoner',
    ]) {
      assert.deepEqual(encode(request(model), { engine: 'openai', model }), {
        model,
        messages: [
          messages[0],
          { role: 'assistant', content: 'b', tool_calls: [] },
          { role: 'assistant', content: 'c' },
          messages[3],
        ],
      });
    }
    const other = request('deepseek-v4-pro');
    assert.equal(
      encodeWireRequest(other, { engine: 'openai', model: 'deepseek-v4-pro' }).body,
      other.wire?.bytes,
    );
  });

  it('writes a chat from its canonical fields', () => {
    const request: GenerationRequest = {
      ...BASE,
      inputs: [
        {
          kind: 'chat',
          messages: [
            {
              role: 'system',
              content: [
                { kind: 'text', text: 'be' },
                { kind: 'text', text: ' brief' },
              ],
            },
            { role: 'assistant', content: [], reasoning: 'hm', toolCalls: [{ id: 't' }] },
            { role: 'tool', content: [{ kind: 'text', text: '4' }], toolCallId: 't' },
          ],
        },
      ],
      choicesPerInput: 2,
      maxTokens: 100,
      sampling: { temperature: 0.6, topP: 0.95, topK: 40, seed: 7 },
      stop: ['END'],
      topLogprobs: 0,
      format: { kind: 'json_schema', name: 'x', schema: { type: 'object' } },
      reasoning: { placement: 'separate', maxTokens: 50 },
      stream: true,
    };
    assert.deepEqual(encode(request, { engine: 'vllm', model: 'v4' }), {
      model: 'v4',
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'assistant', content: null, reasoning_content: 'hm', tool_calls: [{ id: 't' }] },
        { role: 'tool', content: '4', tool_call_id: 't' },
      ],
      logprobs: true,
      top_logprobs: 0,
      n: 2,
      max_tokens: 100,
      temperature: 0.6,
      top_p: 0.95,
      top_k: 40,
      seed: 7,
      stop: ['END'],
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'x', schema: { type: 'object' }, strict: true },
      },
      thinking_token_budget: 50,
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it('writes prompts of text and of tokens', () => {
    const text: GenerationRequest = {
      ...BASE,
      inputs: [{ kind: 'text', text: 'a' }],
      echo: true,
      topLogprobs: 2,
    };
    assert.equal(encodeWireRequest(text, R1).path, '/completions');
    assert.deepEqual(encode(text), { model: 'deepseek-r1', prompt: 'a', echo: true, logprobs: 2 });
    const several: GenerationRequest = {
      ...BASE,
      inputs: [
        { kind: 'tokens', tokens: [1, 2] },
        { kind: 'tokens', tokens: [3] },
      ],
    };
    assert.deepEqual(encode(several), { model: 'deepseek-r1', prompt: [[1, 2], [3]] });
  });
});
