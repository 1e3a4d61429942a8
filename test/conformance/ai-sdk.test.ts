/** The real `ai` SDK with its OpenAI-compatible and DeepSeek providers against a live server (B2). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDeepSeek } from '@ai-sdk/deepseek';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, jsonSchema, type LanguageModel, Output, streamText } from 'ai';
import { recordWire } from './record-wire.ts';
import { type Behaviour, createTestGateways, type TestGateway } from './start-test-gateway.ts';

const gatewayFor = createTestGateways();

const prompt = 'What is 17 + 25?';

type Provider = (gateway: TestGateway, fetch: typeof globalThis.fetch) => LanguageModel;

const providers = {
  'openai-compatible': ({ baseUrl, model }, fetch) =>
    createOpenAICompatible({
      name: 'unbusy',
      baseURL: baseUrl,
      fetch,
      includeUsage: true,
      supportsStructuredOutputs: true,
    })(model),
  deepseek: ({ baseUrl, model }, fetch) =>
    createDeepSeek({ baseURL: baseUrl, apiKey: 'none', fetch })(model),
} satisfies Readonly<Record<string, Provider>>;

/** Runs a test with each provider; what went over the wire is validated at its end. */
function withModels(
  name: string,
  run: (model: LanguageModel, gateway: TestGateway) => Promise<void>,
  behaviour: Behaviour = 'answers',
): void {
  for (const [provider, create] of Object.entries(providers)) {
    test(`${provider}: ${name}`, async (t) => {
      const gateway = await gatewayFor(t, behaviour);
      const wire = recordWire();
      await run(create(gateway, wire.fetch), gateway);
      // Relayed bytes are the engine's own, and so is what is wrong with them.
      if (behaviour !== 'relayed') wire.validate();
    });
  }
}

for (const source of ['answers', 'relayed'] as const) {
  withModels(
    `B2: a whole answer has its thought apart and its tokens counted, ${source}`,
    async (model) => {
      const result = await generateText({ model, prompt, temperature: 0 });
      assert.ok(result.text.length > 0);
      assert.ok((result.reasoningText ?? '').length > 0);
      assert.equal(result.finishReason, 'stop');
      assert.ok((result.usage.outputTokens ?? 0) > 0);
      assert.ok((result.usage.outputTokenDetails.reasoningTokens ?? 0) > 0);
    },
    source,
  );
}

for (const source of ['answers', 'relayed'] as const) {
  withModels(
    `B4: a stream shows the thought as reasoning parts before the text, ${source}`,
    async (model) => {
      const result = streamText({ model, prompt, temperature: 0 });
      const order: string[] = [];
      let thought = '';
      let text = '';
      for await (const part of result.stream) {
        if (part.type === 'error') throw part.error;
        if (part.type === 'reasoning-delta') thought += part.text;
        if (part.type === 'text-delta') text += part.text;
        if (order.at(-1) !== part.type) order.push(part.type);
      }
      assert.ok(thought.length > 0 && text.length > 0);
      assert.ok(order.indexOf('reasoning-delta') < order.indexOf('text-delta'));
      assert.equal(await result.finishReason, 'stop');
      assert.ok(((await result.usage).outputTokens ?? 0) > 0);
    },
    source,
  );
}

withModels(
  'B4: aborting a stream stops the work behind it',
  async (model, gateway) => {
    const outcome = gateway.nextOutcome();
    const abort = new AbortController();
    const result = streamText({ model, prompt, temperature: 0, abortSignal: abort.signal });
    for await (const part of result.stream) {
      if (part.type === 'text-delta') abort.abort();
    }
    assert.equal(await outcome, 'cancelled');
  },
  'endless',
);

withModels('a limit that ends the answer is told as length', async (model) => {
  const result = await generateText({ model, prompt, temperature: 0, maxOutputTokens: 3 });
  assert.equal(result.finishReason, 'length');
});

withModels(
  'D3: a full server is an error that may be repeated, with its time',
  async (model) => {
    await assert.rejects(
      generateText({ model, prompt, temperature: 0, maxRetries: 0 }),
      (error) => {
        assert.ok(APICallError.isInstance(error));
        assert.equal(error.statusCode, 503);
        assert.equal(error.isRetryable, true);
        assert.ok(Number(error.responseHeaders?.['retry-after-ms']) <= 60_000);
        return true;
      },
    );
  },
  'overloaded',
);

withModels(
  'a stream that breaks is an error part, not an end',
  async (model) => {
    const errors: unknown[] = [];
    const result = streamText({
      model,
      prompt,
      temperature: 0,
      onError: ({ error }) => void errors.push(error),
    });
    for await (const part of result.stream) if (part.type === 'finish') break;
    assert.equal(errors.length, 1);
    assert.match(JSON.stringify(errors[0]) + String(errors[0]), /upstream_cut|connection was lost/);
  },
  'breaks',
);

test('openai-compatible: an unknown model is refused by name, for good', async (t) => {
  const gateway = await gatewayFor(t, 'answers');
  const provider = createOpenAICompatible({ name: 'unbusy', baseURL: gateway.baseUrl });
  await assert.rejects(generateText({ model: provider('gpt-9'), prompt }), (error) => {
    assert.ok(APICallError.isInstance(error));
    assert.equal(error.statusCode, 404);
    assert.equal(error.isRetryable, false);
    assert.match(error.message, /"gpt-9"/);
    return true;
  });
});

// DeepSeek's provider only asks for it in the prompt, which is more than the small model can follow.
test('openai-compatible: an object by JSON Schema', async (t) => {
  const gateway = await gatewayFor(t, 'answers');
  const wire = recordWire();
  const model = providers['openai-compatible'](gateway, wire.fetch);
  const schema = jsonSchema<{ answer: number }>({
    type: 'object',
    properties: { answer: { type: 'integer' } },
    required: ['answer'],
    additionalProperties: false,
  });
  const result = await generateText({
    model,
    prompt,
    temperature: 0,
    output: Output.object({ schema }),
  });
  assert.ok(Number.isInteger(result.output.answer));
  wire.validate();
});
