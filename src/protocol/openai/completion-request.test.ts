import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnbusyError } from '../../core/errors.ts';
import { decodeCompletionRequest } from './completion-request.ts';

const context = { id: 'req_1', wire: undefined, defaultModel: () => undefined };

function decode(fields: Record<string, unknown>) {
  const body = { model: 'pocket-r1', prompt: 'Once', ...fields };
  return decodeCompletionRequest(body, context);
}

test('all four forms of a prompt are taken', () => {
  const forms: [unknown, unknown][] = [
    ['Once', [{ kind: 'text', text: 'Once' }]],
    ['', [{ kind: 'text', text: '' }]],
    [
      ['a', 'b'],
      [
        { kind: 'text', text: 'a' },
        { kind: 'text', text: 'b' },
      ],
    ],
    [[1, 2], [{ kind: 'tokens', tokens: [1, 2] }]],
    [
      [[1], [2, 3]],
      [
        { kind: 'tokens', tokens: [1] },
        { kind: 'tokens', tokens: [2, 3] },
      ],
    ],
  ];
  for (const [prompt, inputs] of forms) assert.deepEqual(decode({ prompt }).inputs, inputs);
});

test('an evaluation harness can score a text without generating', () => {
  const request = decode({ prompt: [1, 2], max_tokens: 0, echo: true, logprobs: 1 });
  assert.equal(request.maxTokens, 0);
  assert.equal(request.echo, true);
  assert.equal(request.topLogprobs, 1);
});

test('a completion without max_tokens is short, as it is everywhere', () => {
  assert.equal(decode({}).maxTokens, 16);
});

test('what is wrong is refused with its path', () => {
  const refusals: [Record<string, unknown>, param: string, code: string][] = [
    [{ prompt: undefined }, 'prompt', 'invalid_request'],
    [{ prompt: [] }, 'prompt', 'invalid_request'],
    [{ prompt: {} }, 'prompt', 'invalid_request'],
    [{ prompt: ['a', 1] }, 'prompt[1]', 'invalid_request'],
    [{ prompt: [1, 'a'] }, 'prompt[1]', 'invalid_request'],
    [{ prompt: [1, -1] }, 'prompt[1]', 'invalid_request'],
    [{ prompt: [[1], [2.5]] }, 'prompt[1][0]', 'invalid_request'],
    [{ prompt: [[]] }, 'prompt[0]', 'invalid_request'],
    [{ prompt: Array.from({ length: 1025 }, () => 'a') }, 'prompt', 'invalid_request'],
    [{ max_tokens: 0 }, 'max_tokens', 'invalid_request'],
    [{ logprobs: true }, 'logprobs', 'invalid_request'],
    [{ echo: 'yes' }, 'echo', 'invalid_request'],
    [{ suffix: 'end' }, 'suffix', 'unsupported_parameter'],
    [{ n: 2, best_of: 3 }, 'best_of', 'unsupported_parameter'],
  ];
  for (const [fields, param, code] of refusals) {
    assert.throws(
      () => decode(fields),
      (error) => {
        assert.ok(error instanceof UnbusyError);
        assert.equal(error.details.param, param);
        assert.equal(error.code, code);
        return true;
      },
    );
  }
  assert.equal(decode({ n: 2, best_of: 2 }).choicesPerInput, 2);
});
