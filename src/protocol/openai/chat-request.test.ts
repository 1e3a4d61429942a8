import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UnbusyError } from '../../core/errors.ts';
import { decodeChatRequest } from './chat-request.ts';

const user = { role: 'user', content: 'Hello' };

const context = { id: 'req_1', wire: undefined, defaultModel: () => undefined };

function decode(fields: Record<string, unknown>) {
  const body = { model: 'pocket-r1', messages: [user], ...fields };
  return decodeChatRequest(body, context);
}

/** The error of a body that must be refused. */
function refused(fields: Record<string, unknown>): UnbusyError {
  try {
    decode(fields);
  } catch (thrown) {
    assert.ok(thrown instanceof UnbusyError, String(thrown));
    return thrown;
  }
  return assert.fail(`accepted: ${JSON.stringify(fields)}`);
}

test('a minimal request takes the model’s defaults', () => {
  assert.deepEqual(decode({}), {
    id: 'req_1',
    model: 'pocket-r1',
    inputs: [
      { kind: 'chat', messages: [{ role: 'user', content: [{ kind: 'text', text: 'Hello' }] }] },
    ],
    choicesPerInput: 1,
    maxTokens: undefined,
    sampling: {
      temperature: undefined,
      topP: undefined,
      topK: undefined,
      minP: undefined,
      repetitionPenalty: undefined,
      presencePenalty: undefined,
      frequencyPenalty: undefined,
      logitBias: undefined,
      seed: undefined,
    },
    stop: [],
    topLogprobs: undefined,
    echo: false,
    format: { kind: 'text' },
    reasoning: { maxTokens: undefined, placement: 'separate' },
    tools: [],
    deterministic: false,
    stream: false,
    wire: undefined,
  });
});

test('every field reaches the request, and vLLM’s additions too', () => {
  const request = decode({
    max_tokens: 100,
    max_completion_tokens: 50,
    temperature: 0.6,
    top_p: 0.95,
    top_k: -1,
    min_p: 0.05,
    repetition_penalty: 1.1,
    presence_penalty: -1,
    frequency_penalty: 2,
    logit_bias: { '5': -100, '6': 3 },
    seed: 42,
    stop: ['a', 'b'],
    n: 3,
    logprobs: true,
    top_logprobs: 5,
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'point', schema: { type: 'object' } },
    },
    deterministic: true,
    stream: true,
    stream_options: { include_usage: true },
    thinking_token_budget: 64,
    reasoning: { placement: 'inline' },
    a_field_of_next_year: { anything: 1 },
  });
  assert.equal(request.maxTokens, 50);
  assert.deepEqual(request.sampling, {
    temperature: 0.6,
    topP: 0.95,
    topK: 0,
    minP: 0.05,
    repetitionPenalty: 1.1,
    presencePenalty: -1,
    frequencyPenalty: 2,
    logitBias: { '5': -100, '6': 3 },
    seed: 42,
  });
  assert.deepEqual(request.stop, ['a', 'b']);
  assert.equal(request.choicesPerInput, 3);
  assert.equal(request.topLogprobs, 5);
  assert.deepEqual(request.format, {
    kind: 'json_schema',
    name: 'point',
    schema: { type: 'object' },
  });
  assert.deepEqual(request.reasoning, { maxTokens: 64, placement: 'inline' });
  assert.equal(request.deterministic, true);
  assert.equal(request.stream, true);
});

test('a whole conversation with parts, tools and thoughts is understood', () => {
  const call = { id: 'call_1', type: 'function', function: { name: 'add', arguments: '{}' } };
  const request = decode({
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'developer', content: [{ type: 'text', text: 'a' }] },
      {
        role: 'user',
        name: 'eve',
        content: [
          { type: 'text', text: 'b' },
          { type: 'image_url', image_url: {} },
        ],
      },
      { role: 'assistant', content: null, tool_calls: [call], reasoning_content: 'hm' },
      { role: 'tool', content: '3', tool_call_id: 'call_1' },
      { role: 'assistant', reasoning: 'so' },
    ],
  });
  assert.deepEqual(request.inputs, [
    {
      kind: 'chat',
      messages: [
        { role: 'system', content: [{ kind: 'text', text: 'Be brief.' }] },
        { role: 'developer', content: [{ kind: 'text', text: 'a' }] },
        {
          role: 'user',
          name: 'eve',
          content: [
            { kind: 'text', text: 'b' },
            { kind: 'other', type: 'image_url', path: 'messages[2].content[1]' },
          ],
        },
        { role: 'assistant', content: [], reasoning: 'hm', toolCalls: [call] },
        { role: 'tool', content: [{ kind: 'text', text: '3' }], toolCallId: 'call_1' },
        { role: 'assistant', content: [], reasoning: 'so' },
      ],
    },
  ]);
});

test('null means absent, as OpenAI’s clients write it', () => {
  const nothing = Object.fromEntries(
    'max_tokens temperature top_p top_k seed stop n logprobs top_logprobs response_format tools tool_choice stream stream_options logit_bias reasoning service_tier'
      .split(' ')
      .map((name) => [name, null]),
  );
  assert.deepEqual(decode(nothing), decode({}));
});

const refusals: readonly [Record<string, unknown>, param: string, found: RegExp][] = [
  [{ messages: undefined }, 'messages', /missing/],
  [{ messages: [] }, 'messages', /array of 0/],
  [{ messages: 'hi' }, 'messages', /string "hi"/],
  [{ messages: [user, 7] }, 'messages[1]', /number 7/],
  [{ messages: [{ content: 'x' }] }, 'messages[0].role', /missing/],
  [{ messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role', /"robot".*"system"/],
  [{ messages: [{ role: 'user', content: 3 }] }, 'messages[0].content', /number 3/],
  [{ messages: [{ role: 'user' }] }, 'messages[0].content', /missing/],
  [{ messages: [{ role: 'user', content: ['x'] }] }, 'messages[0].content[0]', /string "x"/],
  [
    { messages: [{ role: 'user', content: [{ type: 'text' }] }] },
    'messages[0].content[0].text',
    /nothing/,
  ],
  [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].tool_call_id', /missing/],
  [
    { messages: [{ role: 'assistant', tool_calls: [{}] }] },
    'messages[0].tool_calls[0].function',
    /nothing/,
  ],
  [{ model: undefined }, 'model', /missing/],
  [{ model: 7 }, 'model', /number 7/],
  [{ model: '' }, 'model', /""/],
  [{ max_tokens: 0 }, 'max_tokens', /number 0; allowed: a whole number from 1 up/],
  [{ max_tokens: 1.5 }, 'max_tokens', /1\.5/],
  [{ temperature: '1' }, 'temperature', /string "1"; allowed: a number from 0 to 2/],
  [{ temperature: 2.1 }, 'temperature', /2\.1/],
  [{ top_p: 1.1 }, 'top_p', /1\.1/],
  [{ top_k: -2 }, 'top_k', /-2/],
  [{ repetition_penalty: 0 }, 'repetition_penalty', /above 0/],
  [{ presence_penalty: 3 }, 'presence_penalty', /-2 to 2/],
  [{ logit_bias: { x: 1 } }, 'logit_bias.x', /token ids/],
  [{ logit_bias: { '1': 101 } }, 'logit_bias.1', /101/],
  [{ seed: 0.5 }, 'seed', /0\.5/],
  [{ stop: Array.from({ length: 17 }, () => 'x') }, 'stop', /array of 17; allowed: at most 16/],
  [{ stop: ['a', ''] }, 'stop[1]', /""/],
  [{ stop: 5 }, 'stop', /number 5/],
  [{ n: 0 }, 'n', /1 to 128/],
  [{ n: 129 }, 'n', /129/],
  [{ logprobs: 1 }, 'logprobs', /number 1/],
  [{ logprobs: true, top_logprobs: 21 }, 'top_logprobs', /0 to 20/],
  [{ top_logprobs: 2 }, 'top_logprobs', /together with logprobs/],
  [{ response_format: { type: 'xml' } }, 'response_format.type', /"xml"/],
  [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema', /nothing/],
  [
    { response_format: { type: 'json_schema', json_schema: { name: 'x' } } },
    'response_format.json_schema.schema',
    /nothing/,
  ],
  [{ tools: {} }, 'tools', /an object; allowed: an array/],
  [{ tools: [{ type: 'web' }] }, 'tools[0].type', /"web"/],
  [{ tools: [{ type: 'function', function: {} }] }, 'tools[0].function.name', /nothing/],
  [{ tool_choice: 'sometimes' }, 'tool_choice', /"sometimes"/],
  [{ stream: 'yes' }, 'stream', /"yes"/],
  [{ stream_options: { include_usage: 1 } }, 'stream_options.include_usage', /number 1/],
  [{ service_tier: 5 }, 'service_tier', /number 5/],
  [{ reasoning: { max_tokens: -1 } }, 'reasoning.max_tokens', /-1/],
  [{ reasoning: { placement: 'top' } }, 'reasoning.placement', /"top"/],
  [{ reasoning: { max_tokens: 5 }, thinking_token_budget: 6 }, 'thinking_token_budget', /same/],
  [{ include_reasoning: 'no' }, 'include_reasoning', /"no"/],
  [{ deterministic: 1 }, 'deterministic', /number 1/],
];

test('what is wrong is refused with its path, what was found and what is allowed', () => {
  for (const [fields, param, message] of refusals) {
    const error = refused(fields);
    assert.equal(error.kind, 'invalid_request', param);
    assert.equal(error.details.param, param);
    assert.match(error.message, message);
  }
});

test('an empty list of stop strings stops at nothing', () => {
  assert.deepEqual(decode({ stop: [] }).stop, []);
});

test('a thought that is not wanted is kept apart, so that it can be left out', () => {
  const hidden = decode({ include_reasoning: false, reasoning: { placement: 'inline' } });
  assert.deepEqual(hidden.reasoning, {
    maxTokens: undefined,
    placement: 'separate',
    include: false,
  });
  assert.equal(decode({ reasoning_format: 'none' }).reasoning.placement, 'inline');
});

test('a forbidden tool choice leaves no tools to call', () => {
  const tools = [{ type: 'function', function: { name: 'add' } }];
  assert.deepEqual(decode({ tools }).tools, tools);
  assert.deepEqual(decode({ tools, tool_choice: 'none' }).tools, []);
});

test('no body of whatever shape breaks the decoder', () => {
  const names = [
    ...['messages', 'model', 'max_tokens', 'stop', 'n', 'logit_bias', 'tools', 'tool_choice'],
    ...['response_format', 'reasoning', 'stream_options', 'logprobs', 'top_logprobs', 'seed'],
  ];
  const bodies = fc.dictionary(fc.constantFrom(...names), fc.jsonValue());
  const messages = fc.array(
    fc.dictionary(
      fc.constantFrom('role', 'content', 'name', 'tool_calls', 'reasoning'),
      fc.jsonValue(),
    ),
  );
  fc.assert(
    fc.property(bodies, fc.option(messages), (body, list) => {
      try {
        const whole = list === null ? body : { ...body, messages: list };
        decodeChatRequest(whole, context);
      } catch (thrown) {
        assert.ok(thrown instanceof UnbusyError && thrown.kind === 'invalid_request');
        assert.ok(typeof thrown.details.param === 'string' && thrown.details.param !== '');
      }
    }),
  );
});
