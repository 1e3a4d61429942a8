import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnbusyError } from '../../core/errors.ts';
import { encodeModelList } from './models.ts';
import {
  decodeDetokenizeRequest,
  decodeTokenizeRequest,
  encodeDetokenizeAnswer,
  encodeTokenizeAnswer,
} from './tokenize.ts';

const context = { id: 'req_1', defaultModel: () => 'pocket-r1' };

test('a text is tokenized with the begin-of-text token unless told otherwise', () => {
  assert.deepEqual(decodeTokenizeRequest({ prompt: 'a' }, context), {
    kind: 'text',
    model: 'pocket-r1',
    text: 'a',
    addSpecial: true,
  });
  const bare = decodeTokenizeRequest({ prompt: 'a', add_special_tokens: false }, context);
  assert.equal(bare.kind === 'text' && bare.addSpecial, false);
});

test('messages are tokenized as the chat that the model would see', () => {
  const messages = [{ role: 'user', content: 'a' }];
  const request = decodeTokenizeRequest({ model: 'm', messages }, context);
  assert.ok(request.kind === 'chat');
  assert.equal(request.model, 'm');
  assert.equal(request.request.inputs[0]?.kind, 'chat');
});

const nameless = { ...context, defaultModel: () => undefined };

test('what cannot be tokenized or detokenized is refused by name', () => {
  const refused = (decode: () => unknown, param: string) =>
    assert.throws(decode, (error) => error instanceof UnbusyError && error.details.param === param);
  refused(() => decodeTokenizeRequest({}, context), 'prompt');
  refused(() => decodeTokenizeRequest({ prompt: 1 }, context), 'prompt');
  refused(() => decodeTokenizeRequest({ prompt: 'a' }, nameless), 'model');
  refused(() => decodeDetokenizeRequest({}, context), 'tokens');
  refused(() => decodeDetokenizeRequest({ tokens: [1, 'a'] }, context), 'tokens[1]');
  assert.deepEqual(decodeDetokenizeRequest({ tokens: [] }, context).tokens, []);
});

test('answers are in vLLM’s form', () => {
  const tokens = [1, 2];
  assert.equal(
    encodeTokenizeAnswer({ tokens, contextTokens: 4096 }),
    '{"count":2,"max_model_len":4096,"tokens":[1,2]}',
  );
  assert.match(encodeTokenizeAnswer({ tokens, contextTokens: undefined }), /"max_model_len":null/);
  assert.equal(encodeDetokenizeAnswer('a"b'), '{"prompt":"a\\"b"}');
});

test('models are listed with what is known of them and nothing else', () => {
  const described = { id: 'a', description: 'demo', contextTokens: 4096, parameters: 1e7 };
  assert.deepEqual(JSON.parse(encodeModelList([described, { id: 'b', ownedBy: 'me' }], 5)), {
    object: 'list',
    data: [
      {
        id: 'a',
        object: 'model',
        created: 5,
        owned_by: 'unbusy',
        description: 'demo',
        context_length: 4096,
        parameters: 1e7,
      },
      { id: 'b', object: 'model', created: 5, owned_by: 'me' },
    ],
  });
});
