/** `unbusy serve --upstream URL`: what a caller sees of engines that run already. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { FakeBehaviour, FakeUpstream } from '../../src/upstream/fake-upstream.ts';
import { createFakeUpstream } from '../../src/upstream/fake-upstream.ts';
import { chat, longText, openStream, post, postError, readStream } from './ask.ts';
import { freePort, type Server, type ServerOptions, startServer } from './start-server.ts';

const route = '/v1/chat/completions';
const engines = ['vllm', 'sglang', 'llama-server', 'openai'] as const;

async function serve(t: TestContext, options: ServerOptions): Promise<Server> {
  const server = await startServer(options);
  t.after(() => server.stop());
  return server;
}

async function fake(
  t: TestContext,
  options: Parameters<typeof createFakeUpstream>[0],
): Promise<FakeUpstream> {
  const upstream = await createFakeUpstream(options);
  t.after(() => upstream.close());
  return upstream;
}

for (const engine of engines) {
  test(`${engine} is recognised, and its thought comes as reasoning_content`, async (t) => {
    const upstream = await fake(t, { engine, model: 'deepseek-r1', contextTokens: 4096 });
    const server = await serve(t, { flags: ['--upstream', upstream.url] });
    const ready = await server.untilLog(({ event }) => event === 'ready');
    const [endpoint] = ready['endpoints'] as { kind: string }[];
    assert.equal(endpoint?.kind, engine);
    assert.deepEqual(ready['models'], ['deepseek-r1']);
    const request = chat('2 + 2?', { model: 'deepseek-r1' });

    const { body, headers } = await post(server.url, route, request);
    assert.equal(headers.get('x-unbusy-model'), 'deepseek-r1');
    assert.equal(body.choices[0]?.message?.content, 'The answer is 4.');
    assert.equal(body.choices[0]?.message?.reasoning_content, '2 and 2 is 4.');
    assert.equal(body.usage?.completion_tokens, 5);

    const streamed = await readStream(server.url, route, request);
    assert.equal(streamed.text, 'The answer is 4.');
    assert.equal(streamed.thought, '2 and 2 is 4.');
    assert.deepEqual([streamed.finish, streamed.done, streamed.whole], ['stop', true, true]);
    assert.equal(streamed.usage, undefined, 'usage that nobody asked for is dropped');
    assert.ok(streamed.chunks.every(({ choices }) => choices.length === 1));
    assert.deepEqual(upstream.requests.at(-1)?.body['stream_options'], { include_usage: true });

    const counted = await readStream(server.url, route, {
      ...request,
      stream_options: { include_usage: true },
    });
    assert.equal(counted.usage?.completion_tokens, 5);
    const entry = await server.outcomeOf(headers.get('x-request-id') ?? '');
    assert.equal(entry['relay'], engine === 'vllm' ? 'patch' : 'raw');

    const inline = await post(server.url, route, {
      ...request,
      reasoning: { placement: 'inline' },
    });
    assert.match(
      inline.body.choices[0]?.message?.content ?? '',
      /^<think>\n?2 and 2 is 4\.\n?<\/think>\s*The answer is 4\.$/,
    );
  });
}

test('a model under another name over there is renamed both ways', async (t) => {
  const upstream = await fake(t, { engine: 'sglang', model: 'deepseek-ai/DeepSeek-R1' });
  const config = {
    endpoints: {
      far: { kind: 'openai', url: upstream.url, upstream_model: 'deepseek-ai/DeepSeek-R1' },
    },
    models: { 'deepseek-r1': { pool: ['far'] } },
  };
  const server = await serve(t, { config });
  const request = chat('2 + 2?', { model: 'deepseek-r1' });
  const whole = await post(server.url, route, request);
  assert.equal(whole.body.model, 'deepseek-r1');
  const streamed = await readStream(server.url, route, request);
  assert.deepEqual([...new Set(streamed.chunks.map(({ model }) => model))], ['deepseek-r1']);
  assert.ok(upstream.requests.every(({ body }) => body['model'] === 'deepseek-ai/DeepSeek-R1'));
  const models = await (await fetch(`${server.url}/v1/models`)).json();
  const [only, ...others] = (models as { data: { id: string }[] }).data;
  assert.deepEqual([only?.id, others], ['deepseek-r1', []]);
});

test('the key of the upstream is sent there and the key of the caller is not', async (t) => {
  const upstream = await fake(t, { key: 'theirs' });
  const config = {
    endpoints: { far: { kind: 'openai', url: upstream.url, key: 'theirs' } },
    keys: [{ id: 'me', secret: 'ours-0123456789abcdef' }],
  };
  const server = await serve(t, { config });
  const headers = { authorization: 'Bearer ours-0123456789abcdef', cookie: 'a=b' };
  const request = chat('2 + 2?', { model: 'deepseek-r1' });
  assert.equal((await post(server.url, route, request, headers)).status, 200);
  const sent = upstream.requests[0]?.headers;
  assert.equal(sent?.['authorization'], 'Bearer theirs');
  assert.equal(sent?.['cookie'], undefined);
  assert.equal(sent?.['accept-encoding'], 'identity');
});

test('fields that nobody knows reach the upstream as they came', async (t) => {
  const upstream = await fake(t, { engine: 'openai' });
  const server = await serve(t, { flags: ['--upstream', `${upstream.url}/v1`] });
  const strange = { x_future: { deep: [1, null, 'é'] }, metadata: { a: 'b' } };
  await post(server.url, route, chat('2 + 2?', { model: 'deepseek-r1', ...strange }));
  const sent = upstream.requests[0]?.body;
  assert.deepEqual(sent?.['x_future'], strange.x_future);
  assert.deepEqual(sent?.['metadata'], strange.metadata);
});

test('a fault of the caller that the upstream finds is told once, in one form', async (t) => {
  const refusal = (body: object): FakeBehaviour => ({
    kind: 'status',
    status: 400,
    body: JSON.stringify(body),
  });
  const nested = { error: { message: 'bad temperature', param: 'temperature', code: 400 } };
  const flat = { object: 'error', message: 'bad temperature', param: 'temperature', code: 400 };
  for (const [engine, body] of [
    ['vllm', nested],
    ['sglang', flat],
  ] as const) {
    const upstream = await fake(t, { engine, behaviour: refusal(body) });
    const server = await serve(t, { flags: ['--upstream', upstream.url] });
    for (const stream of [false, true]) {
      const answer = await postError(
        server.url,
        route,
        chat('x', { model: 'deepseek-r1', stream }),
      );
      assert.deepEqual(
        [answer.status, answer.body.message, answer.body.param],
        [400, 'bad temperature', 'temperature'],
      );
    }
    assert.equal(upstream.requests.length, 2, 'nothing was repeated');
  }
});

test('B11: a cut inside the thought is told for answers that are relayed, too', async (t) => {
  const behaviour: FakeBehaviour = { kind: 'answer', answer: [], finishReason: 'length' };
  const upstream = await fake(t, { engine: 'vllm', behaviour });
  const server = await serve(t, { flags: ['--upstream', upstream.url] });
  const request = chat('x', { model: 'deepseek-r1' });
  const whole = await post(server.url, route, request);
  assert.equal(whole.headers.get('x-unbusy-warning'), 'cut-in-thought');
  const stream = await openStream(server.url, route, request);
  const { comments, finish, done } = await stream.ended;
  // A stream that came in one piece was known to be cut when its head went out.
  const told = [stream.headers.get('x-unbusy-warning'), ...comments].join(' ');
  assert.match(told, /cut-in-thought/);
  assert.deepEqual([finish, done], ['length', true]);
});

test('an engine that loads is waited for', async (t) => {
  const upstream = await fake(t, { engine: 'llama-server' });
  upstream.setLoading(true);
  const config = { endpoints: { slow: { kind: 'llama-server', url: upstream.url } } };
  const server = await serve(t, { port: await freePort(), untilReady: false, config });
  await server.untilLog(({ event, state }) => event === 'endpoint_state' && state !== 'ready');
  const readiness = await fetch(`${server.url}/readyz`);
  assert.equal(readiness.status, 503);
  upstream.setLoading(false);
  await server.untilLog(({ event }) => event === 'ready');
  const streamed = await readStream(server.url, route, chat('x', { model: 'deepseek-r1' }));
  assert.equal(streamed.done, true);
});

test('unbusy fronts unbusy: thought, answer, tokens and errors pass through both', async (t) => {
  const engine = await serve(t, {});
  const front = await serve(t, { flags: ['--upstream', `${engine.url}/v1`] });
  const request = chat('What is 17 + 25?', { deterministic: true });
  const inner = await post(engine.url, route, request);
  const outer = await post(front.url, route, request);
  const streamed = await readStream(front.url, route, request);
  const message = inner.body.choices[0]?.message;
  assert.equal(outer.body.choices[0]?.message?.content, message?.content);
  assert.equal(streamed.text, message?.content);
  assert.equal(streamed.thought, message?.reasoning_content);
  assert.equal(streamed.done, true);
  const tooLong = await postError(front.url, route, chat('number '.repeat(5000)));
  assert.deepEqual([tooLong.status, tooLong.body.code], [400, 'context_length_exceeded']);
  const cut = await post(front.url, route, chat('What is 17 + 25?', { max_tokens: 3 }));
  assert.equal(cut.headers.get('x-unbusy-warning'), 'cut-in-thought');
  const leaving = await openStream(front.url, '/v1/completions', await longText(engine.url, 1900));
  await leaving.begun;
  leaving.leave();
  await engine.untilLog(({ event, outcome }) => event === 'request' && outcome === 'cancelled');
});
