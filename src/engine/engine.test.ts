/** The engine on the shipped model, in this process. */
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

test('inline placement shows the tags within the answer', async () => {
  const { choices } = await engine.ask(
    chatRequest(question, { reasoning: { placement: 'inline' } }),
  );
  assert.match(choices[0]!.answer, /^<think>.*<\/think>.*46/s);
  assert.equal(choices[0]!.reasoning, '');
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
  const long = `Remember this list: ${'plums and figs, '.repeat(12)}`;
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

test('a stop string that spans tokens ends the answer before it', async () => {
  const whole = (await engine.ask(chatRequest(question))).choices[0]!;
  const stop = whole.answer.slice(4, 9);
  const cut = (await engine.ask(chatRequest(question, { stop: [stop] }))).choices[0]!;
  assert.equal(cut.answer, whole.answer.slice(0, whole.answer.indexOf(stop)));
  assert.equal(cut.reason, 'stop');
  const next = (await engine.ask(chatRequest(question))).choices[0]!;
  assert.equal(next.answer, whole.answer, 'the slot that was cut is sound');
});

test('a thinking limit closes the thought and the answer follows (B11)', async () => {
  for (const maxTokens of [0, 1, 6]) {
    const { choices, usage } = await engine.ask(
      chatRequest(question, { reasoning: { placement: 'separate', maxTokens } }),
    );
    assert.ok(usage.reasoningTokens <= maxTokens + 4, 'at most the closing tag more');
    assert.notEqual(choices[0]!.answer, '');
    assert.equal(choices[0]!.reason, 'stop');
    if (maxTokens === 0) assert.equal(choices[0]!.reasoning, '');
  }
});

test('a limit that ends inside the thought says so (B11)', async () => {
  const { choices, usage } = await engine.ask(chatRequest(question, { maxTokens: 4 }));
  assert.equal(choices[0]!.reason, 'length');
  assert.equal(choices[0]!.cutInThought, true);
  assert.equal(usage.completionTokens, 4);
});

test('a JSON schema holds for the answer and not for the thought', async () => {
  const schema = {
    type: 'object',
    properties: { sum: { type: 'integer' }, even: { type: 'boolean' } },
    required: ['sum', 'even'],
    additionalProperties: false,
  };
  for (const maxTokens of [undefined, 8]) {
    const { choices } = await engine.ask(
      chatRequest(question, {
        format: { kind: 'json_schema', name: 'sum', schema },
        reasoning: { placement: 'separate', maxTokens },
      }),
    );
    assert.equal(choices[0]!.reason, 'stop');
    assert.notEqual(choices[0]!.reasoning, '');
    const parsed: { sum: number; even: boolean } = JSON.parse(choices[0]!.answer);
    assert.ok(Number.isInteger(parsed.sum));
    assert.equal(typeof parsed.even, 'boolean');
  }
});

test('an unsupported schema keyword is refused with its path', async () => {
  const schema = {
    type: 'object',
    properties: { a: { type: 'string', contentEncoding: 7, $dynamicRef: '#x' } },
  };
  await assert.rejects(
    engine.ask(chatRequest(question, { format: { kind: 'json_schema', name: 'x', schema } })),
    { kind: 'invalid_request' },
  );
});

test('log probabilities are of the raw distribution, natural and normalised', async () => {
  const sampling = { temperature: 3, seed: 5, logitBias: { 43: -100 } };
  const { choices } = await engine.ask(
    chatRequest(question, { topLogprobs: 20, maxTokens: 6, sampling }),
  );
  const { logprobs } = choices[0]!;
  assert.equal(logprobs.length, 6);
  for (const { logprob, top, bytes, token } of logprobs) {
    assert.equal(top.length, 20);
    assert.ok(top.every((entry, at) => at === 0 || entry.logprob <= top[at - 1]!.logprob));
    const mass = top.reduce((total, entry) => total + Math.exp(entry.logprob), 0);
    assert.ok(mass > 0.9 && mass < 1 + 1e-4);
    assert.ok(logprob !== null && logprob <= 0);
    assert.equal(Buffer.from(bytes).toString(), token);
  }
  assert.equal(
    logprobs[0]!.top[0]!.token,
    'I',
    'the bias changes the choice, not the distribution',
  );
  assert.notEqual(logprobs[0]!.token, 'I');
});

test('echo repeats the prompt with the log probabilities of its tokens', async () => {
  const { choices } = await engine.ask(
    textRequest('Hello world 你好', { echo: true, topLogprobs: 1, maxTokens: 2 }),
  );
  const [choice] = choices;
  assert.match(choice!.answer, /^Hello world 你好/);
  assert.equal(choice!.logprobs[0]!.logprob, null);
  assert.ok(choice!.logprobs.slice(1).every(({ logprob }) => logprob !== null && logprob <= 0));
  const spelled = Buffer.concat(choice!.logprobs.map(({ bytes }) => Buffer.from(bytes)));
  assert.equal(spelled.toString(), choice!.answer);
});

test('echo without new tokens scores a prompt as generating it would', async () => {
  const prompt = '<｜User｜>What is 12 + 34?<｜Assistant｜><think>\n';
  const generated = await engine.ask(textRequest(prompt, { topLogprobs: 0, maxTokens: 5 }));
  const scored = await engine.ask(
    textRequest(prompt + generated.choices[0]!.answer, {
      echo: true,
      topLogprobs: 0,
      maxTokens: 0,
    }),
  );
  const tail = scored.choices[0]!.logprobs.slice(-5);
  assert.equal(scored.usage.completionTokens, 0);
  tail.forEach(({ token, logprob }, index) => {
    const before_ = generated.choices[0]!.logprobs[index]!;
    assert.equal(token, before_.token);
    assert.ok(Math.abs(logprob! - before_.logprob!) < 0.1);
  });
});

test('several prompts of one request are numbered by input and choice', async () => {
  const { choices, usage } = await engine.ask(
    chatRequest('', {
      inputs: [
        { kind: 'text', text: 'one' },
        { kind: 'text', text: 'two two' },
      ],
      choicesPerInput: 2,
      echo: true,
      maxTokens: 1,
    }),
  );
  const prompts = choices.map(({ answer }) => answer.slice(0, 3));
  assert.deepEqual(prompts, ['one', 'one', 'two', 'two']);
  assert.equal(usage.completionTokens, 4);
});

test('UTF-8 that is split over tokens is never shown broken', async () => {
  const emoji = '🦙🦙🦙';
  const tokens = (await engine.call({
    name: 'tokenize',
    text: emoji,
    addSpecial: false,
    parseSpecial: false,
  })) as number[];
  assert.ok(tokens.length > 3, 'the vocabulary has no such character');
  // Only these tokens can be drawn, so that every cut of a character comes up.
  const logitBias = Object.fromEntries(tokens.map((token) => [token, 100]));
  const { choices } = await engine.ask(
    textRequest(emoji, { maxTokens: 60, sampling: { temperature: 1, seed: 1, logitBias } }),
  );
  assert.doesNotMatch(choices[0]!.answer.slice(0, -4), /[\ud800-\udbff](?![\udc00-\udfff])/);
  assert.equal(choices[0]!.answer.isWellFormed(), true);
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
