/** What answers look like: stops, thoughts, JSON, log probabilities, echo, on the shipped model. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { UnbusyError } from '../core/errors.ts';
import {
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

test('inline placement shows the tags within the answer', async () => {
  const { choices } = await engine.ask(
    chatRequest(question, { reasoning: { placement: 'inline' } }),
  );
  assert.match(choices[0]!.answer, /^<think>.*<\/think>.*46/s);
  assert.equal(choices[0]!.reasoning, '');
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
  const schema = { type: 'object', properties: { a: { not: { type: 'string' } } } };
  const asked = engine.ask(
    chatRequest(question, { format: { kind: 'json_schema', name: 'x', schema } }),
  );
  await assert.rejects(asked, (error: UnbusyError) => {
    assert.equal(error.code, 'unsupported_schema');
    assert.match(error.details.param ?? '', /properties\.a\.not/);
    return true;
  });
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
