/** `unbusy serve` without anything: the chat routes over the embedded engine. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, openStream, post, postError, readStream } from './ask.ts';
import { type Server, startServer } from './start-server.ts';

const route = '/v1/chat/completions';
const sum = 'What is 17 + 25?';
let server: Server;

before(async () => {
  server = await startServer();
});
after(() => server.stop());

test('B4: a stream thinks, then answers, then says [DONE]', async () => {
  const stream = await openStream(server.url, route, chat(sum));
  assert.equal(stream.status, 200);
  assert.equal(stream.headers.get('x-unbusy-model'), 'pocket-r1');
  assert.match(stream.headers.get('x-request-id') ?? '', /^req_/);
  const { chunks, thought, text, finish, usage, done, whole } = await stream.ended;
  assert.deepEqual(chunks[0]?.choices[0]?.delta, { role: 'assistant', content: '' });
  const channels = chunks.map(({ choices: [choice] }) => {
    if (choice?.delta?.reasoning_content) return 'thought';
    return choice?.delta?.content ? 'answer' : 'other';
  });
  assert.ok(channels.lastIndexOf('thought') < channels.indexOf('answer'), channels.join());
  assert.match(thought, /17 \+ 25/);
  assert.match(text, /42/);
  assert.deepEqual([finish, usage, done, whole], ['stop', undefined, true, true]);
});

test('B4: the same answer whole, with its usage', async () => {
  const { body } = await post(server.url, route, chat(sum));
  const streamed = await readStream(
    server.url,
    route,
    chat(sum, { stream_options: { include_usage: true } }),
  );
  const [choice] = body.choices;
  assert.equal(choice?.message?.content, streamed.text);
  assert.equal(choice?.message?.reasoning_content, streamed.thought);
  assert.equal(choice?.finish_reason, 'stop');
  const { usage } = body;
  assert.ok(usage);
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  assert.ok(usage.completion_tokens_details.reasoning_tokens > 0);
  assert.ok(usage.completion_tokens > usage.completion_tokens_details.reasoning_tokens);
  assert.equal(streamed.usage?.completion_tokens, usage.completion_tokens);
  assert.deepEqual(streamed.chunks.at(-1)?.choices, [], 'usage comes in a chunk of its own');
});

test('reasoning can stand inside the content', async () => {
  const { body } = await post(server.url, route, chat(sum, { reasoning: { placement: 'inline' } }));
  const message = body.choices[0]?.message;
  assert.match(message?.content ?? '', /^<think>\n[^<]+<\/think>\n+[^<]*42/);
  assert.equal(message?.reasoning_content, undefined);
});

test('B11: a limit that ends inside the thought is told', async (t) => {
  await t.test('in a header of a whole answer', async () => {
    const { headers, body } = await post(server.url, route, chat(sum, { max_tokens: 3 }));
    assert.equal(headers.get('x-unbusy-warning'), 'cut-in-thought');
    assert.equal(body.choices[0]?.finish_reason, 'length');
    assert.equal(body.choices[0]?.message?.content, '');
    assert.equal(body.usage?.completion_tokens, 3);
  });
  await t.test('in the closing comment of a stream', async () => {
    const { comments, finish, done } = await readStream(
      server.url,
      route,
      chat(sum, { max_tokens: 3 }),
    );
    assert.match(comments.at(-1) ?? '', /^unbusy .*warning=cut-in-thought/);
    assert.deepEqual([finish, done], ['length', true]);
  });
  await t.test('and not where the limit ends the answer', async () => {
    const { headers, body } = await post(server.url, route, chat(sum, { max_tokens: 30 }));
    assert.equal(headers.get('x-unbusy-warning'), null);
    assert.equal(body.choices[0]?.finish_reason, 'length');
    assert.notEqual(body.choices[0]?.message?.content, '');
  });
});

for (const limit of [{ reasoning: { max_tokens: 4 } }, { thinking_token_budget: 4 }]) {
  test(`B11: ${JSON.stringify(limit)} closes the thought and the answer follows`, async () => {
    const free = await post(server.url, route, chat(sum));
    const limited = await post(server.url, route, chat(sum, limit));
    const [choice] = limited.body.choices;
    const thought = choice?.message?.reasoning_content ?? '';
    assert.ok(thought.length > 0);
    assert.ok(thought.length < (free.body.choices[0]?.message?.reasoning_content ?? '').length);
    assert.notEqual(choice?.message?.content, '');
    assert.equal(choice?.finish_reason, 'stop');
  });
}

test('a stop string ends the answer and is not shown', async () => {
  const { body } = await post(server.url, route, chat(sum, { stop: [' ='] }));
  const [choice] = body.choices;
  assert.equal(choice?.message?.content, '17 + 25');
  assert.equal(choice?.finish_reason, 'stop');
  const streamed = await readStream(server.url, route, chat(sum, { stop: [' ='] }));
  assert.equal(streamed.text, '17 + 25');
});

test('B7: the same seed gives the same text, another seed another one', async () => {
  const texts = async (seed: number) => {
    // The beginning of a text says little about how it goes on: there is much to choose from.
    const body = { prompt: 'Hello', seed, temperature: 1.5, max_tokens: 40, deterministic: true };
    return (await post(server.url, '/v1/completions', body)).body.choices[0]?.text;
  };
  const first = await texts(1);
  assert.equal(await texts(1), first);
  const others = [await texts(2), await texts(3), await texts(4), await texts(5)];
  assert.ok(others.some((other) => other !== first));
});

test('n answers have an index each and are counted together', async () => {
  const { body } = await post(server.url, route, chat(sum, { n: 3, temperature: 1, seed: 1 }));
  assert.deepEqual(
    body.choices.map(({ index }) => index),
    [0, 1, 2],
  );
  const streamed = await readStream(server.url, route, chat(sum, { n: 2 }));
  const finished = streamed.chunks.flatMap(({ choices }) =>
    choices.filter(({ finish_reason: reason }) => reason !== null).map(({ index }) => index),
  );
  assert.deepEqual(finished.sort(), [0, 1]);
});

test('logprobs come token by token', async () => {
  const { body } = await post(server.url, route, chat(sum, { logprobs: true, top_logprobs: 2 }));
  const tokens = body.choices[0]?.logprobs?.['content'] as {
    token: string;
    logprob: number;
    top_logprobs: unknown[];
  }[];
  assert.ok(tokens.length > 0);
  for (const { logprob, top_logprobs: top } of tokens) {
    assert.ok(logprob <= 0);
    assert.equal(top.length, 2);
  }
});

test('an answer under a JSON Schema parses and has its shape', async () => {
  const schema = {
    type: 'object',
    properties: { result: { type: 'integer' }, unit: { enum: ['none', 'apples'] } },
    required: ['result', 'unit'],
    additionalProperties: false,
  };
  const format = { type: 'json_schema', json_schema: { name: 'sum', schema, strict: true } };
  const { body } = await post(server.url, route, chat(sum, { response_format: format }));
  const [choice] = body.choices;
  assert.equal(choice?.finish_reason, 'stop');
  assert.ok(choice?.message?.reasoning_content, 'the grammar begins after the thought');
  const answer = JSON.parse(choice?.message?.content ?? '') as Record<string, unknown>;
  assert.deepEqual(Object.keys(answer), ['result', 'unit']);
  assert.ok(Number.isInteger(answer['result']));
  assert.ok(['none', 'apples'].includes(String(answer['unit'])));
});

test('a schema keyword that cannot be kept is refused with its path', async () => {
  const schema = { type: 'object', properties: { a: { not: { type: 'string' } } } };
  const format = { type: 'json_schema', json_schema: { name: 'x', schema } };
  const { status, body } = await postError(
    server.url,
    route,
    chat(sum, { response_format: format }),
  );
  assert.equal(status, 400);
  assert.match(body.param ?? '', /^response_format\.json_schema\.schema.*a.*not/);
});

test('tools on a model whose template has none are refused by name', async () => {
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
  for (const stream of [false, true]) {
    const { status, body } = await postError(server.url, route, chat(sum, { tools, stream }));
    assert.deepEqual([status, body.code, body.param], [400, 'unsupported_parameter', 'tools']);
  }
});

test('a prompt beyond the context is refused with both numbers', async () => {
  const { status, body } = await postError(server.url, route, chat('number '.repeat(5000)));
  assert.deepEqual([status, body.code], [400, 'context_length_exceeded']);
  assert.equal(body.facts?.['context_tokens'], 2048);
  assert.ok((body.facts?.['prompt_tokens'] ?? 0) > 5000);
  assert.match(body.message, /\d+ tokens.*2048/);
});

const faults: readonly [string, object | string, string | null][] = [
  ['a number for messages', { messages: 5 }, 'messages'],
  ['a role of its own', { messages: [{ role: 'boss', content: 'x' }] }, 'messages[0].role'],
  ['content of numbers', { messages: [{ role: 'user', content: [1] }] }, 'messages[0].content[0]'],
  ['a hot temperature', { ...chat(sum), temperature: 3 }, 'temperature'],
  ['a text for max_tokens', { ...chat(sum), max_tokens: '9' }, 'max_tokens'],
  ['a text for stream', { ...chat(sum), stream: 'yes' }, 'stream'],
  [
    'usage asked in words',
    { ...chat(sum), stream_options: { include_usage: 'yes' } },
    'stream_options.include_usage',
  ],
  ['no JSON', '{"messages": [', null],
  ['a deep nest', `{"metadata":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, null],
];
for (const [name, body, param] of faults) {
  test(`a body with ${name} is refused with the field's path`, async () => {
    const { status, body: error } = await postError(server.url, route, body);
    assert.equal(status, 400);
    assert.equal(error.param, param);
  });
}

test('fields that nobody knows are tolerated', async () => {
  const { status } = await post(
    server.url,
    route,
    chat(sum, { max_tokens: 1, store: false, metadata: { a: 'b' }, x_future: [1] }),
  );
  assert.equal(status, 200);
});

test('a model that is not here is a 404 that says how to get it', async () => {
  const { status, body } = await postError(server.url, route, chat(sum, { model: 'deepseek-r1' }));
  assert.deepEqual([status, body.code], [404, 'model_not_found']);
  assert.match(body.message, /--upstream/);
});
