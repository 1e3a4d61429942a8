/** Batching, exactness, cache and limits on the shipped model, in this process. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { UnbusyError } from '../core/errors.ts';
import {
  type Answered,
  chatRequest,
  startTestEngine,
  type TestEngine,
  testEngineOptions,
  textRequest,
} from './engine-fixture.ts';

let engine: TestEngine;

before(async () => {
  engine = await startTestEngine(testEngineOptions());
});

after(async () => {
  await engine.close();
});

const question = 'What is 12 + 34?';

function sum(index: number): string {
  return `What is ${100 + index * 13} + ${20 + index}?`;
}

test('the model is described from its file', () => {
  const { model } = engine.engine;
  assert.equal(model.architecture, 'deepseek2');
  assert.equal(model.quantization, 'Q8_0');
  assert.equal(model.slots, 16);
  assert.equal(model.contextTokens, 512);
  assert.equal(model.reasons, true);
  assert.match(model.digest, /^[0-9a-f]{64}$/);
});

test('a chat is answered with its thought apart and usage counted', async () => {
  const { choices, usage } = await engine.ask(chatRequest(question));
  const [choice] = choices;
  assert.match(choice!.reasoning, /46/);
  assert.match(choice!.answer, /46/);
  assert.doesNotMatch(choice!.reasoning + choice!.answer, /think>/);
  assert.equal(choice!.reason, 'stop');
  assert.equal(usage.promptTokens, 15);
  assert.ok(usage.reasoningTokens > 0 && usage.reasoningTokens < usage.completionTokens);
});

test('64 concurrent streams of mixed lengths all complete (C1)', async () => {
  const asked = Array.from({ length: 64 }, (_, index) =>
    engine.ask(
      chatRequest(sum(index), {
        maxTokens: index % 4 === 0 ? 5 + index : undefined,
        sampling: { temperature: 0.6, seed: index },
      }),
    ),
  );
  const answers = await Promise.all(asked);
  for (const [index, { choices, usage }] of answers.entries()) {
    const limit = index % 4 === 0 ? 5 + index : 512;
    assert.ok(usage.completionTokens <= limit);
    const expected = usage.completionTokens === limit ? 'length' : 'stop';
    assert.equal(choices[0]!.reason, expected);
  }
  const widest = Math.max(...engine.steps.map(({ batchSize }) => batchSize));
  assert.equal(widest, 16, 'all slots were decoded together');
});

test('property: deterministic answers under load equal those given alone, token for token (B7)', async () => {
  const requests = Array.from({ length: 6 }, (_, index) =>
    chatRequest(sum(index), {
      deterministic: true,
      topLogprobs: 1,
      maxTokens: 40,
      sampling: { temperature: 2, topP: 1, seed: index },
    }),
  );
  const alone: Answered[] = [];
  for (const request of requests) alone.push(await engine.ask(request));
  const noise = Array.from({ length: 9 }, (_, index) =>
    engine.ask(chatRequest(`Tell me about ${index} apples.`, { maxTokens: 60 + index })),
  );
  const loaded = await Promise.all(requests.map((request) => engine.ask(request)));
  await Promise.all(noise);
  const choicesOf = (answers: readonly Answered[]) => answers.map(({ choices }) => choices);
  assert.deepEqual(choicesOf(loaded), choicesOf(alone));
});

test('the same seed gives the same text alone, whatever was cached before (B7)', async () => {
  const request = chatRequest(question, {
    sampling: { temperature: 5, topP: 1, seed: 11 },
    maxTokens: 60,
  });
  const first = await engine.ask(request);
  await engine.ask(chatRequest(`${question} And 5 + 6?`));
  const second = await engine.ask(request);
  assert.deepEqual(second.choices, first.choices);
  const other = await engine.ask({ ...request, sampling: { temperature: 5, topP: 1, seed: 12 } });
  assert.notDeepEqual(other.choices, first.choices);
});

test('a repeated prefix is found in the cache and reported (F2)', async () => {
  const long = `Remember this list: ${'apples and pears, '.repeat(12)}`;
  const first = await engine.ask(chatRequest(`${long} what is 1 + 2?`, { maxTokens: 2 }));
  const second = await engine.ask(chatRequest(`${long} what is 3 + 4?`, { maxTokens: 2 }));
  const { promptTokens, cachedTokens } = second.usage;
  assert.ok(first.usage.cachedTokens < 10);
  assert.ok(cachedTokens > promptTokens - 20 && cachedTokens < promptTokens);
});

test('a prefix that a running request holds is copied, and both answers are right (F2)', async () => {
  // Long enough that copying it costs less than reading it again on the busiest machine.
  const long = `Remember this list: ${'plums and figs, '.repeat(50)}`;
  const begun = engine.step(({ started }) => started.length > 0);
  const first = engine.ask(chatRequest(`${long} what is 7 + 8?`));
  await begun;
  const second = await engine.ask(chatRequest(`${long} what is 7 + 9?`));
  const again = await engine.ask(chatRequest(`${long} what is 7 + 9?`));
  const { cachedTokens, promptTokens } = second.usage;
  assert.ok(cachedTokens > promptTokens - 20, `${cachedTokens} of ${promptTokens}`);
  assert.deepEqual(second.choices, again.choices);
  await first;
});

test('n choices share one prefill, differ, and equal what their seeds give alone', async () => {
  const sampling = { temperature: 5, topP: 1, seed: 40 };
  const together = await engine.ask(
    chatRequest(sum(3), { choicesPerInput: 3, sampling, maxTokens: 12, deterministic: true }),
  );
  assert.equal(together.choices.length, 3);
  for (const [index, choice] of together.choices.entries()) {
    const alone = await engine.ask(
      chatRequest(sum(3), {
        sampling: { ...sampling, seed: 40 + index },
        maxTokens: 12,
        deterministic: true,
      }),
    );
    assert.deepEqual(choice, alone.choices[0]);
  }
  assert.notEqual(together.choices[0]!.reasoning, together.choices[1]!.reasoning);
});

test('more choices than slots are answered as slots come free', async () => {
  const { choices } = await engine.ask(
    chatRequest(question, { choicesPerInput: 20, maxTokens: 3 }),
  );
  assert.equal(choices.length, 20);
  assert.ok(choices.every(({ reason }) => reason === 'length'));
});

test('a prompt beyond the context is refused with both counts (no silent truncation)', async () => {
  const asked = engine.ask(chatRequest('word '.repeat(2000)));
  await assert.rejects(asked, (error: UnbusyError) => {
    assert.equal(error.kind, 'invalid_request');
    assert.equal(error.code, 'context_length_exceeded');
    assert.equal(error.details.param, 'messages');
    assert.equal(error.details.facts?.['context_tokens'], 512);
    assert.ok(Number(error.details.facts?.['prompt_tokens']) > 2000);
    return true;
  });
});

test('an answer that reaches the end of the context ends with length', async () => {
  const prompt = Array.from({ length: 500 }, () => 100);
  const bias = { 1: -100 };
  const { choices, usage } = await engine.ask(
    textRequest('', {
      inputs: [{ kind: 'tokens', tokens: prompt }],
      maxTokens: 5000,
      sampling: { temperature: 0, logitBias: bias },
    }),
  );
  assert.equal(choices[0]!.reason, 'length');
  assert.equal(usage.completionTokens, 12);
});

test('an abort frees the slot within one step and says nothing more (B4)', async () => {
  const id = 'leaver';
  const bias = { logitBias: { 1: -100 }, temperature: 0 };
  const begun = engine.step(({ started }) => started.some((each) => each.id === id));
  engine.engine.handle({
    type: 'generate',
    request: { ...chatRequest(question, { sampling: bias }), id },
  });
  await begun;
  const before_ = engine.steps.length;
  engine.abort(id);
  const { usage } = await engine.ask(chatRequest(question, { maxTokens: 3 }));
  assert.equal(usage.completionTokens, 3);
  const later = engine.steps.slice(before_);
  assert.ok(later.every(({ output }) => output.every((each) => each.id !== id)));
  assert.ok(
    later.slice(1).every(({ batchSize }) => batchSize <= 1),
    'it is decoded no more',
  );
});

test('bad tokens are refused by name before they reach the native side', async () => {
  const inputs = [{ kind: 'tokens', tokens: [5, 2048] }] as const;
  await assert.rejects(engine.ask(chatRequest('', { inputs })), { code: 'invalid_token' });
  const sampling = { logitBias: { 99999: 1 } };
  await assert.rejects(engine.ask(chatRequest(question, { sampling })), { code: 'invalid_token' });
  await assert.rejects(engine.ask(textRequest('', { inputs: [{ kind: 'tokens', tokens: [] }] })), {
    code: 'empty_prompt',
  });
});

test('questions are answered while requests run', async () => {
  const running = engine.ask(chatRequest(question));
  const request = chatRequest(question);
  assert.deepEqual(await engine.call({ name: 'measure', request }), {
    promptTokens: 15,
    contextTokens: 512,
  });
  assert.match(String(await engine.call({ name: 'render', request })), /<think>\n$/);
  const text = 'Hello 你好';
  const options = { name: 'tokenize', text, addSpecial: true, parseSpecial: false } as const;
  const tokens = (await engine.call(options)) as number[];
  assert.equal(await engine.call({ name: 'detokenize', tokens: tokens.slice(1) }), text);
  await running;
});

test('every step tells its sizes and times (C8)', () => {
  assert.ok(engine.steps.length > 100);
  for (const step of engine.steps) {
    assert.ok(step.batchSize >= 0 && step.batchSize <= 16);
    assert.ok(step.kvUsageRatio >= 0 && step.kvUsageRatio <= 1);
    for (const ms of [step.decodeMs, step.prefillMs, step.sampleMs]) assert.ok(ms >= 0);
  }
  assert.ok(engine.steps.some(({ prefillTokens }) => prefillTokens > 0));
  assert.ok(engine.steps.some(({ kvUsageRatio }) => kvUsageRatio > 0));
});

test('a bad model file is refused in one clear line', async () => {
  const options = testEngineOptions({ modelPath: new URL(import.meta.url).pathname });
  await assert.rejects(startTestEngine(options), (error: UnbusyError) => {
    assert.ok(error instanceof UnbusyError);
    assert.equal(error.code, 'model_unreadable');
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
});
