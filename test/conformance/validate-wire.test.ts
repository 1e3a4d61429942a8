import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateStream, validateWire } from './validate-wire.ts';

const chunk = {
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, delta: { content: 'a' }, finish_reason: null }],
};

test('a good chunk passes, with the usage that others leave null', () => {
  validateWire('CreateChatCompletionStreamResponse', chunk);
  validateWire('CreateChatCompletionStreamResponse', { ...chunk, usage: null });
});

test('a missing, a mistyped and an unknown field are each found', () => {
  const bad = (value: unknown, fault: RegExp) =>
    assert.throws(() => validateWire('CreateChatCompletionStreamResponse', value), fault);
  bad({ ...chunk, id: undefined }, /required property 'id'/);
  bad({ ...chunk, created: '1' }, /\/created must be integer/);
  bad({ ...chunk, note: 1 }, /additional properties.*note/);
  bad({ ...chunk, choices: [{ index: 0, delta: {} }] }, /finish_reason/);
  const thinking = [{ index: 0, delta: { thinking: 'a' }, finish_reason: null }];
  bad({ ...chunk, choices: thinking }, /additional properties.*thinking/);
});

test('a stream is checked event by event, its error by the error’s schema', () => {
  const good = `: comment\n\ndata: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`;
  assert.equal(validateStream('CreateChatCompletionStreamResponse', good).length, 1);
  const failed = 'data: {"error":{"message":"m","type":"server_error","param":null}}\n\n';
  assert.throws(() => validateStream('CreateChatCompletionStreamResponse', failed), /'code'/);
  assert.throws(() => validateStream('CreateChatCompletionStreamResponse', 'data: {'), /within/);
});
