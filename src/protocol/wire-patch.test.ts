import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { patchJsonBody } from './wire-patch.ts';

const BODY = {
  id: 'up-1',
  object: 'chat.completion',
  created: 5,
  model: 'deepseek-ai/DeepSeek-R1',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: '4', reasoning: 'hm "model"' },
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 1, completion_tokens: 2 },
};

describe('patching a JSON body', () => {
  it('replaces id, model and created and renames reasoning, and nothing else', () => {
    const patch = { id: 'ours"', model: 'deepseek-r1', created: 1234567, renameReasoning: true };
    for (const indent of [0, 2]) {
      const patched = patchJsonBody(Buffer.from(JSON.stringify(BODY, null, indent)), patch);
      const expected = {
        ...BODY,
        id: 'ours"',
        created: 1234567,
        model: 'deepseek-r1',
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content: '4', reasoning_content: 'hm "model"' },
            finish_reason: 'stop',
          },
        ],
      };
      assert.equal(patched.toString(), JSON.stringify(expected, null, indent));
    }
  });

  it('leaves reasoning alone where reasoning_content stands beside it', () => {
    const body = Buffer.from('{"choices":[{"message":{"reasoning":"a","reasoning_content":"a"}}]}');
    assert.equal(patchJsonBody(body, { renameReasoning: true }), body);
  });

  it('returns the same buffer where nothing changes, and for what is not an object', () => {
    for (const text of [JSON.stringify(BODY), '[]', '<html>', '{"id":', '']) {
      const body = Buffer.from(text);
      assert.equal(patchJsonBody(body, { id: 'up-1', model: BODY.model, created: 5 }), body);
    }
  });

  it('changes the values that JSON.parse sees, whatever the text around them', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.jsonValue(),
        fc.string(),
        (content, extra, model) => {
          const given = {
            extra,
            choices: [{ message: { content }, text: content }],
            model: 'x',
            id: 'y',
          };
          const patched = patchJsonBody(Buffer.from(JSON.stringify(given)), { model });
          const plain = JSON.parse(JSON.stringify({ ...given, model }));
          assert.deepEqual(JSON.parse(patched.toString()), plain);
        },
      ),
    );
  });
});
