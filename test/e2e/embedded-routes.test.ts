/** `unbusy serve` without anything: legacy completions and the routes beside generation. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { validateWire } from '../conformance/validate-wire.ts';
import { post, postError, readStream, type WireUsage } from './ask.ts';
import { type Server, startServer } from './start-server.ts';

const route = '/v1/completions';
let server: Server;

before(async () => {
  server = await startServer();
});
after(() => server.stop());

async function tokenize(body: object): Promise<number[]> {
  const answer = await post<{ tokens: number[]; count: number }>(server.url, '/tokenize', body);
  assert.equal(answer.status, 200);
  assert.equal(answer.body.count, answer.body.tokens.length);
  return answer.body.tokens;
}

async function detokenize(tokens: readonly number[]): Promise<string> {
  const answer = await post<{ prompt: string }>(server.url, '/detokenize', { tokens });
  return answer.body.prompt;
}

test('a completion goes on with the text, 16 tokens where nothing is said', async () => {
  const { body } = await post(server.url, route, { prompt: 'What is', temperature: 0 });
  assert.equal(body.choices.length, 1);
  assert.ok((body.usage?.completion_tokens ?? 99) <= 16);
  const streamed = await readStream(server.url, route, { prompt: 'What is', temperature: 0 });
  assert.equal(streamed.text, body.choices[0]?.text);
  assert.equal(streamed.done, true);
});

test('echo with logprobs scores a given text and generates nothing', async () => {
  const { body } = await post(server.url, route, {
    prompt: 'What is 17 + 25?',
    echo: true,
    logprobs: 1,
    max_tokens: 0,
  });
  const [choice] = body.choices;
  assert.equal(choice?.text, 'What is 17 + 25?');
  const { tokens, token_logprobs: scores, text_offset: offsets } = choice?.logprobs ?? {};
  assert.equal(tokens?.join(''), choice?.text);
  assert.equal(scores?.[0], null, 'nothing stands before the first token');
  assert.ok(scores?.slice(1).every((score) => typeof score === 'number' && score <= 0));
  assert.equal(offsets?.length, tokens?.length);
  assert.equal(body.usage?.completion_tokens, 0);
});

test('prompts may be several, and tokens', async () => {
  const prompts = ['What is', 'Hello'];
  const shape = { max_tokens: 4, temperature: 0, deterministic: true };
  const together = await post(server.url, route, { prompt: prompts, ...shape });
  const tokens = [await tokenize({ prompt: 'What is' }), await tokenize({ prompt: 'Hello' })];
  const asTokens = await post(server.url, route, { prompt: tokens, ...shape });
  const texts = (answer: typeof together) => answer.body.choices.map(({ text }) => text);
  assert.equal(together.body.choices.length, 2);
  assert.deepEqual(texts(asTokens), texts(together));
  for (const [index, prompt] of prompts.entries()) {
    const alone = await post(server.url, route, { prompt, ...shape });
    assert.equal(texts(alone)[0], texts(together)[index]);
  }
  const one = await post(server.url, route, { prompt: tokens[0], ...shape });
  assert.equal(texts(one)[0], texts(together)[0]);
});

test('two prompts with n = 2 give four texts in order', async () => {
  const { body } = await post(server.url, route, {
    prompt: ['What is', 'Hello'],
    n: 2,
    max_tokens: 2,
    echo: true,
  });
  assert.deepEqual(
    body.choices.map(({ index }) => index),
    [0, 1, 2, 3],
  );
  const starts = body.choices.map(({ text }) => text?.match(/^(What is|Hello)/)?.[0]);
  assert.deepEqual(starts, ['What is', 'What is', 'Hello', 'Hello']);
});

test('a token that the model does not have is refused with its path', async () => {
  for (const prompt of [
    [5, 999_999],
    [[5], [-1]],
  ]) {
    const { status, body } = await postError(server.url, route, { prompt });
    assert.equal(status, 400);
    assert.match(body.param ?? '', /^prompt/);
  }
});

test('/tokenize and /detokenize give any text back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 60 }), async (text) => {
      const prompt = text.isWellFormed() ? text : text.toWellFormed();
      assert.equal(await detokenize(await tokenize({ prompt, add_special_tokens: false })), prompt);
    }),
    { numRuns: 60 },
  );
  const fixed = 'Grüße, 世界! 👩‍👩‍👧 \u0000\r\n\ufeff<think>';
  assert.equal(
    await detokenize(await tokenize({ prompt: fixed, add_special_tokens: false })),
    fixed,
  );
});

test('/tokenize counts what the model would see of a chat', async () => {
  const messages = [{ role: 'user', content: 'What is 17 + 25?' }];
  const tokens = await tokenize({ messages });
  const { body } = await post(server.url, '/v1/chat/completions', { messages, max_tokens: 1 });
  assert.equal(body.usage?.prompt_tokens, tokens.length);
});

test('B3: /generate takes a prompt and gives text, whole and in a stream', async () => {
  interface Plain {
    text: string;
    reasoning: string;
    finish_reason: string;
    usage: WireUsage;
  }
  const ask = { prompt: 'What is 17 + 25?', temperature: 0 };
  const { body } = await post<Plain>(server.url, '/generate', ask);
  assert.match(body.text, /42/);
  assert.ok(body.reasoning.length > 0);
  assert.equal(body.finish_reason, 'stop');
  assert.ok(body.usage.completion_tokens > 0);
  const response = await fetch(`${server.url}/generate`, {
    method: 'POST',
    body: JSON.stringify({ ...ask, stream: true }),
  });
  const events = (await response.text()).split('\n\n').filter((event) => event !== '');
  assert.equal(events.pop(), 'data: [DONE]');
  const parts = events.map((event) => JSON.parse(event.replace(/^data: /, '')) as Partial<Plain>);
  assert.equal(parts.map(({ text = '' }) => text).join(''), body.text);
  assert.equal(parts.map(({ reasoning = '' }) => reasoning).join(''), body.reasoning);
  const cut = await post<Plain>(server.url, '/generate', { ...ask, max_new_tokens: 2 });
  assert.equal(cut.body.finish_reason, 'length');
});

test('/v1/models says what the model is, and that it is no R1', async () => {
  const response = await fetch(`${server.url}/v1/models`);
  const list = (await response.json()) as { data: { id: string; description: string }[] };
  validateWire('ListModelsResponse', list);
  assert.deepEqual(
    list.data.map(({ id }) => id),
    ['pocket-r1'],
  );
  assert.match(list.data[0]?.description ?? '', /^demonstration model, 10 M parameters/);
  const one = await fetch(`${server.url}/v1/models/pocket-r1`);
  validateWire('Model', await one.json());
  const none = await fetch(`${server.url}/v1/models/nobody/knows`);
  assert.equal(none.status, 404);
  validateWire('ErrorResponse', await none.json());
});

test('/v1/embeddings says what is missing', async () => {
  const { status, body } = await postError(server.url, '/v1/embeddings', { input: 'x' });
  assert.equal(status, 501);
  assert.match(body.message, /pocket-r1 makes no embeddings/);
});

test('other routes and methods are refused in the same form', async () => {
  for (const [method, route, status] of [
    ['GET', '/v1/nothing', 404],
    ['DELETE', '/v1/models', 405],
    ['GET', '/v1/chat/completions', 405],
  ] as const) {
    const response = await fetch(server.url + route, { method });
    assert.equal(response.status, status, `${method} ${route}`);
    validateWire('ErrorResponse', await response.json());
  }
});

test('a body that is too large is refused with the limit', async () => {
  const { status, body } = await postError(server.url, route, {
    prompt: 'x'.repeat(17 * 1024 * 1024),
  });
  assert.deepEqual([status, body.code], [413, 'body_too_large']);
  assert.match(body.message, /16777216/);
});

test('a request id of the caller is kept', async () => {
  const { headers } = await post(
    server.url,
    route,
    { prompt: 'x', max_tokens: 1 },
    { 'x-request-id': 'mine-1' },
  );
  assert.equal(headers.get('x-request-id'), 'mine-1');
  assert.equal((await server.outcomeOf('mine-1'))['outcome'], 'completed');
});
