import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnbusyError } from '../../core/errors.ts';
import { createPlainEncoder, decodePlainRequest, encodePlainAnswer } from './plain-generate.ts';

const context = { id: 'req_1', defaultModel: () => 'pocket-r1' };
const usage = { promptTokens: 1, completionTokens: 2, reasoningTokens: 1, cachedTokens: 0 };

test('B3: a prompt is put to the only model as a user’s message', () => {
  const request = decodePlainRequest({ prompt: 'Why?', max_new_tokens: 512 }, context);
  assert.equal(request.model, 'pocket-r1');
  assert.equal(request.maxTokens, 512);
  assert.deepEqual(request.inputs, [
    { kind: 'chat', messages: [{ role: 'user', content: [{ kind: 'text', text: 'Why?' }] }] },
  ]);
});

test('messages may stand in place of the prompt, not beside it', () => {
  const messages = [{ role: 'user', content: 'Why?' }];
  const [input] = decodePlainRequest({ messages }, context).inputs;
  assert.equal(input?.kind, 'chat');
  const refused = (body: Record<string, unknown>, param: string) =>
    assert.throws(
      () => decodePlainRequest(body, context),
      (error) => error instanceof UnbusyError && error.details.param === param,
    );
  refused({ messages, prompt: 'Why?' }, 'messages');
  refused({}, 'prompt');
  refused({ prompt: 5 }, 'prompt');
  refused({ prompt: 'a', n: 2 }, 'n');
  refused({ prompt: 'a', max_tokens: 5, max_new_tokens: 6 }, 'max_new_tokens');
});

test('the answer is text, with the thought beside it', () => {
  const choice = { index: 0, text: '42', logprobs: undefined, finish: 'stop' as const };
  const encode = (reasoning: string) =>
    JSON.parse(encodePlainAnswer('r1', [{ ...choice, reasoning }], usage));
  assert.deepEqual(encode('hm').reasoning, 'hm');
  const { model, text, finish_reason, ...rest } = encode('');
  assert.deepEqual(
    { model, text, finish_reason },
    { model: 'r1', text: '42', finish_reason: 'stop' },
  );
  assert.deepEqual(Object.keys(rest), ['usage']);
});

test('a stream names each piece', () => {
  const encoder = createPlainEncoder();
  const text = encoder.events([
    { kind: 'delta', choice: 0, channel: 'reasoning', text: 'hm' },
    { kind: 'delta', choice: 0, channel: 'answer', text: '4\n2' },
    { kind: 'usage', usage },
    { kind: 'finish', choice: 0, reason: 'stop', cutInThought: false },
  ]);
  assert.equal(
    text,
    'data: {"reasoning":"hm"}\n\ndata: {"text":"4\\n2"}\n\ndata: {"finish_reason":"stop"}\n\n',
  );
  assert.match(encoder.end(usage, 'bye'), /^data: \{"usage":\{.*\}\}\n\n: bye\n\n$/);
});
