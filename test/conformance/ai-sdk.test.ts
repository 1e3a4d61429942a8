/** The real `ai` SDK with its OpenAI-compatible and DeepSeek providers against a live server (B2). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDeepSeek } from '@ai-sdk/deepseek';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, jsonSchema, type LanguageModel, Output, streamText } from 'ai';
import { recordWire } from './record-wire.ts';
import { type Behaviour, startTestGateway, type TestGateway } from './start-test-gateway.ts';

// DeepSeek's provider says that it writes a JSON Schema into the prompt; that is its way.
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false });

const prompt = 'What is the answer?';

type Provider = (gateway: TestGateway, fetch: typeof globalThis.fetch) => LanguageModel;

const providers: Readonly<Record<string, Provider>> = {
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
};

/** Runs a test with each provider; what went over the wire is validated at its end. */
function withModels(
  name: string,
  run: (model: LanguageModel, gateway: TestGateway) => Promise<void>,
  behaviour: Behaviour = 'answers',
): void {
  for (const [provider, create] of Object.entries(providers)) {
    test(`${provider}: ${name}`, async (t) => {
      const gateway = await startTestGateway(behaviour);
      t.after(() => gateway.close());
      const wire = recordWire();
      await run(create(gateway, wire.fetch), gateway);
      wire.validate();
    });
  }
}

withModels('B2: a whole answer has its thought apart and its tokens counted', async (model) => {
  const result = await generateText({ model, prompt });
  assert.ok(result.text.length > 0);
  assert.ok((result.reasoningText ?? '').length > 0);
  assert.equal(result.finishReason, 'stop');
  assert.ok((result.usage.outputTokens ?? 0) > 0);
  assert.ok((result.usage.outputTokenDetails.reasoningTokens ?? 0) > 0);
});

withModels('B4: a stream shows the thought as reasoning parts before the text', async (model) => {
  const result = streamText({ model, prompt });
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
});

withModels('B4: aborting a stream stops the work behind it', async (model, gateway) => {
  const outcome = gateway.nextOutcome();
  const abort = new AbortController();
  const result = streamText({ model, prompt, abortSignal: abort.signal });
  for await (const part of result.stream) {
    if (part.type === 'reasoning-delta') abort.abort();
  }
  assert.equal(await outcome, 'cancelled');
});

withModels('an object by JSON Schema', async (model) => {
  const schema = jsonSchema<{ answer: number }>({
    type: 'object',
    properties: { answer: { type: 'integer' } },
    required: ['answer'],
    additionalProperties: false,
  });
  const result = await generateText({ model, prompt, output: Output.object({ schema }) });
  assert.ok(Number.isInteger(result.output.answer));
});

withModels('a limit that ends the answer is told as length', async (model) => {
  const result = await generateText({ model, prompt, maxOutputTokens: 3 });
  assert.equal(result.finishReason, 'length');
});

withModels(
  'D3: a full server is an error that may be repeated, with its time',
  async (model) => {
    await assert.rejects(generateText({ model, prompt, maxRetries: 0 }), (error) => {
      assert.ok(APICallError.isInstance(error));
      assert.equal(error.statusCode, 503);
      assert.equal(error.isRetryable, true);
      assert.ok(Number(error.responseHeaders?.['retry-after-ms']) <= 60_000);
      return true;
    });
  },
  'overloaded',
);

withModels(
  'a stream that breaks is an error part, not an end',
  async (model) => {
    const errors: unknown[] = [];
    const result = streamText({ model, prompt, onError: ({ error }) => void errors.push(error) });
    for await (const part of result.stream) if (part.type === 'finish') break;
    assert.equal(errors.length, 1);
    assert.match(JSON.stringify(errors[0]) + String(errors[0]), /the engine stopped/);
  },
  'breaks',
);

test('openai-compatible: an unknown model is refused by name, for good', async (t) => {
  const gateway = await startTestGateway();
  t.after(() => gateway.close());
  const provider = createOpenAICompatible({ name: 'unbusy', baseURL: gateway.baseUrl });
  await assert.rejects(generateText({ model: provider('gpt-9'), prompt }), (error) => {
    assert.ok(APICallError.isInstance(error));
    assert.equal(error.statusCode, 404);
    assert.equal(error.isRetryable, false);
    assert.match(error.message, /"gpt-9"/);
    return true;
  });
});
