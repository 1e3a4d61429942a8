import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UnbusyError } from '../../core/errors.ts';
import type { GenerationEvent } from '../generation.ts';
import { createAnswer, encodeAnswer } from './answer.ts';
import { encodeError } from './error-body.ts';

const usage = { promptTokens: 7, completionTokens: 5, reasoningTokens: 2, cachedTokens: 3 };
const identity = { id: 'chatcmpl-1', created: 1_700_000_000 };

const events: readonly GenerationEvent[] = [
  { kind: 'delta', choice: 1, channel: 'answer', text: 'B' },
  { kind: 'delta', choice: 0, channel: 'reasoning', text: 'hm' },
  { kind: 'delta', choice: 0, channel: 'answer', text: 'A' },
  { kind: 'finish', choice: 1, reason: 'length', cutInThought: false },
  { kind: 'usage', usage },
  { kind: 'finish', choice: 0, reason: 'stop', cutInThought: false },
];

test('a whole chat completion has its choices in order, each with its thought apart', () => {
  const answer = createAnswer({ placement: 'separate' });
  answer.add(events.slice(0, 2));
  answer.add(events.slice(2));
  const choices = answer.choices();
  const body = encodeAnswer({ dialect: 'chat', identity, model: 'r1', choices, usage });
  assert.deepEqual(JSON.parse(body), {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'r1',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'A', refusal: null, reasoning_content: 'hm' },
        logprobs: null,
        finish_reason: 'stop',
      },
      {
        index: 1,
        message: { role: 'assistant', content: 'B', refusal: null },
        logprobs: null,
        finish_reason: 'length',
      },
    ],
    usage: {
      prompt_tokens: 7,
      completion_tokens: 5,
      total_tokens: 12,
      prompt_tokens_details: { cached_tokens: 3 },
      completion_tokens_details: { reasoning_tokens: 2 },
    },
  });
});

test('a whole completion is text with parallel arrays of log-probabilities', () => {
  const answer = createAnswer({ placement: 'separate' });
  const token = { token: 'A', tokenId: 1, bytes: [65], logprob: -1, top: [] };
  answer.add([
    { kind: 'delta', choice: 0, channel: 'answer', text: 'A', logprobs: [token] },
    { kind: 'delta', choice: 0, channel: 'answer', text: 'A', logprobs: [token] },
    { kind: 'finish', choice: 0, reason: 'stop', cutInThought: false },
  ]);
  const choices = answer.choices();
  const body = encodeAnswer({ dialect: 'completion', identity, model: 'r1', choices, usage });
  assert.deepEqual(JSON.parse(body).choices, [
    {
      index: 0,
      text: 'AA',
      logprobs: {
        tokens: ['A', 'A'],
        token_logprobs: [-1, -1],
        top_logprobs: [{ A: -1 }, { A: -1 }],
        text_offset: [0, 1],
      },
      finish_reason: 'stop',
    },
  ]);
});

test('an inline thought stands in the text, a hidden one nowhere', () => {
  const inline = createAnswer({ placement: 'inline' });
  inline.add(events);
  assert.equal(inline.choices()[0]?.text, '<think>\nhm\n</think>\n\nA');
  assert.equal(inline.choices()[0]?.reasoning, '');
  const hidden = createAnswer({ placement: 'separate', include: false });
  hidden.add(events);
  assert.equal(hidden.choices()[0]?.reasoning, '');
  assert.equal(hidden.choices()[0]?.text, 'A');
});

test('every text survives the encoding', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }),
      fc.string(),
      (text, reasoning, model) => {
        const choices = [{ index: 0, text, reasoning, logprobs: undefined, finish: undefined }];
        const body = encodeAnswer({ dialect: 'chat', identity, model, choices, usage });
        const parsed = JSON.parse(body);
        assert.equal(parsed.model, model);
        assert.equal(parsed.choices[0].message.content, text);
        assert.equal(parsed.choices[0].message.reasoning_content ?? '', reasoning);
      },
    ),
  );
});

test('an error has OpenAI’s four fields, and ours where there is something to tell', () => {
  const plain = new UnbusyError('internal', 'internal', 'it "broke"');
  assert.deepEqual(JSON.parse(encodeError(plain, 'server_error')), {
    error: {
      message: 'it "broke"',
      type: 'server_error',
      param: null,
      code: 'internal',
      hint: 'unbusy explain internal',
    },
  });
  const rich = new UnbusyError('overloaded', 'overloaded', 'full', {
    param: 'model',
    retryAfterMs: 90_000.4,
    attempts: [{ endpoint: 'a', result: 'refused', durationMs: 1.6 }],
    facts: { queue_depth: 3 },
  });
  const { error } = JSON.parse(encodeError(rich, 'server_error'));
  assert.equal(error.param, 'model');
  assert.equal(error.retry_after_ms, 90_000);
  assert.deepEqual(error.attempts, [{ endpoint: 'a', result: 'refused', duration_ms: 2 }]);
  assert.deepEqual(error.facts, { queue_depth: 3 });
});
