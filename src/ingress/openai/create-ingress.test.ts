import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createVirtualClock } from '../../core/clock.ts';
import { toUnbusyError, UnbusyError } from '../../core/errors.ts';
import { createRandom } from '../../core/random.ts';
import type { Call, CallerReply, ReplyHead } from '../../protocol/caller.ts';
import type { GenerationEvent, GenerationRequest } from '../../protocol/generation.ts';
import { callRaw, rawPost } from '../http/raw-caller.ts';
import { createIngress, type IngressDeps } from './create-ingress.ts';

const head: ReplyHead = { model: 'pocket-r1', headers: { 'x-unbusy-model': 'pocket-r1' } };
const usage = { promptTokens: 7, completionTokens: 5, reasoningTokens: 2, cachedTokens: 3 };
const thought: GenerationEvent = { kind: 'delta', choice: 0, channel: 'reasoning', text: 'hm' };
const answered: GenerationEvent = { kind: 'delta', choice: 0, channel: 'answer', text: 'Hi' };
const finished: GenerationEvent = {
  kind: 'finish',
  choice: 0,
  reason: 'stop',
  cutInThought: false,
};
const overloaded = new UnbusyError('overloaded', 'overloaded', 'all engines are full', {
  retryAfterMs: 4_000,
});

type Script = (reply: CallerReply, request: GenerationRequest, call: Call) => void | Promise<void>;

/** An ingress whose every request is answered by `script`. */
async function start(t: TestContext, script: Script, deps: Partial<IngressDeps> = {}) {
  const clock = createVirtualClock(1_700_000_000_000);
  const ingress = createIngress({
    clock,
    random: createRandom(1),
    keepAlive: 'off',
    models: () => [{ id: 'pocket-r1', contextTokens: 4096 }],
    readiness: () => ({ ready: true, waitingFor: [] }),
    tokenize: async () => ({ tokens: [1, 2], contextTokens: 4096 }),
    detokenize: async ({ tokens }) => tokens.join(' '),
    embed: async ({ body }) => ({ status: 200, contentType: 'application/json', body }),
    metrics: () => 'unbusy_queue_depth 0\n',
    authorize: () => {},
    onFault: ({ error }) => assert.fail(error),
    async handleRequest(call) {
      try {
        const request = call.decode();
        await script(call.reply(request), request, call);
      } catch (thrown) {
        call.refuse(toUnbusyError(thrown), {});
      }
    },
    ...deps,
  });
  t.after(() => ingress.server.close());
  const { port } = await ingress.server.listen({ host: '127.0.0.1', port: 0 });
  const post = (path: string, body: unknown) =>
    fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body: JSON.stringify(body) });
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  return { clock, port, post, get };
}

/** A script that answers nothing and hands its replies to the test. */
function held() {
  const opened: CallerReply[] = [];
  const script: Script = (reply) => {
    opened.push(reply);
  };
  const next = async () => {
    await eventually(() => opened.length > 0);
    return opened.shift() ?? assert.fail('no reply');
  };
  return { script, next };
}

const messages = [{ role: 'user', content: 'Hello' }];
const chat = '/v1/chat/completions';
const streamBody = JSON.stringify({ messages, stream: true });
const wholeBody = JSON.stringify({ messages });

const answer: Script = (reply) => {
  reply.begin(head);
  reply.events([thought]);
  reply.events([answered, finished]);
  reply.finish(head, { usage, comment: 'unbusy queue_ms=3' });
};

test('B4: a chat stream is comments, role, thought, answer, finish, closing comment, [DONE]', async (t) => {
  const { post } = await start(t, (reply) => {
    reply.comment('not yet begun');
    reply.begin(head);
    reply.begin({ model: 'other', headers: {} });
    reply.comment('queued position=3 eta_ms=1200');
    reply.events([thought]);
    reply.events([answered, finished]);
    reply.finish(head, { usage, comment: 'unbusy queue_ms=3' });
  });
  const response = await post(chat, { messages, stream: true });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  assert.equal(response.headers.get('cache-control'), 'no-cache');
  assert.equal(response.headers.get('x-accel-buffering'), 'no');
  assert.equal(response.headers.get('x-unbusy-model'), 'pocket-r1');
  assert.match(response.headers.get('x-request-id') ?? '', /^req_/);
  const told = (await response.text()).split('\n\n').map((event) => {
    const delta = /"delta":(\{.*?\})/.exec(event)?.[1];
    return delta ?? event;
  });
  assert.deepEqual(told, [
    ': queued position=3 eta_ms=1200',
    '{"role":"assistant","content":""}',
    '{"reasoning_content":"hm"}',
    '{"content":"Hi"}',
    '{}',
    ': unbusy queue_ms=3',
    'data: [DONE]',
    '',
  ]);
});

test('usage is in a stream only when asked for', async (t) => {
  const { post } = await start(t, answer);
  const plain = await (await post(chat, { messages, stream: true })).text();
  assert.doesNotMatch(plain, /usage/);
  const options = { stream_options: { include_usage: true } };
  const asked = await (await post(chat, { messages, stream: true, ...options })).text();
  assert.equal(asked.match(/"usage":null/g)?.length, 4);
  assert.match(
    asked,
    /"choices":\[\],"usage":\{"prompt_tokens":7,.*\n\n: unbusy.*\n\ndata: \[DONE\]/,
  );
});

test('relayed bytes pass untouched and end as the upstream ended them', async (t) => {
  const { post } = await start(t, (reply) => {
    assert.equal(reply.dialect, 'chat');
    reply.begin(head);
    reply.bytes(Buffer.from('e\r\ndata: {"a":1}\n\r\n1\r\n\n\r\n'));
    reply.bytes(Buffer.from('e\r\ndata: [DONE]\n\n\r\n'));
    reply.finish(head, { usage, comment: 'told by the relay itself' });
  });
  const text = await (await post(chat, { messages, stream: true })).text();
  assert.equal(text, 'data: {"a":1}\n\ndata: [DONE]\n\n');
});

test('an answer that began as bytes and went on as events is ended here', async (t) => {
  const { post } = await start(t, (reply) => {
    reply.begin(head);
    reply.bytes(Buffer.from('f\r\ndata: {"a":1}\n\n\r\n'));
    reply.events([answered, finished]);
    reply.finish(head, { usage });
  });
  assert.match(await (await post(chat, { messages, stream: true })).text(), /\[DONE\]\n\n$/);
});

test('a failure in a stream is an error event, and no [DONE] follows', async (t) => {
  const { post } = await start(t, (reply) => {
    reply.begin(head);
    reply.events([answered]);
    reply.fail(overloaded, {});
  });
  const text = await (await post(chat, { messages, stream: true })).text();
  const last = text.split('\n\n').at(-2) ?? '';
  assert.deepEqual(JSON.parse(last.slice('data: '.length)), {
    error: {
      message: 'all engines are full',
      type: 'server_error',
      param: null,
      code: 'overloaded',
      retry_after_ms: 4000,
      hint: 'unbusy explain overloaded',
    },
  });
  assert.doesNotMatch(text, /DONE/);
});

test('a failure before the head has its status and says when to come back', async (t) => {
  const { post } = await start(t, (reply) => reply.fail(overloaded, { 'x-unbusy-attempts': '2' }));
  for (const stream of [true, false]) {
    const response = await post(chat, { messages, stream });
    assert.equal(response.status, 503);
    assert.equal(response.headers.get('x-unbusy-attempts'), '2');
    const afterMs = Number(response.headers.get('retry-after-ms'));
    assert.ok(afterMs >= 4000 && afterMs <= 4800);
    assert.equal(response.headers.get('retry-after'), '5');
    assert.equal(response.headers.get('x-should-retry'), null);
    assert.equal(JSON.parse(await response.text()).error.retry_after_ms, 4000);
  }
});

test('a whole answer is one JSON body with usage and the thought apart', async (t) => {
  const { post } = await start(t, (reply) => {
    reply.events([thought, answered]);
    reply.events([finished]);
    reply.finish(head, { usage });
  });
  const response = await post(chat, { messages });
  assert.equal(response.headers.get('content-type'), 'application/json');
  const body = JSON.parse(await response.text());
  assert.match(body.id, /^chatcmpl-/);
  assert.equal(body.created, 1_700_000_000);
  assert.equal(body.choices[0].message.reasoning_content, 'hm');
  assert.equal(body.usage.total_tokens, 12);
});

test('a whole body of the upstream passes untouched', async (t) => {
  const { post } = await start(t, (reply) => reply.body(head, Buffer.from('{"id":"x"}')));
  const response = await post(chat, { messages });
  assert.equal(await response.text(), '{"id":"x"}');
  assert.equal(response.headers.get('x-unbusy-model'), 'pocket-r1');
});

test('a thought to be moved or left out cannot be relayed as bytes', async (t) => {
  const seen: unknown[] = [];
  const { post } = await start(t, (reply, request, call) => {
    seen.push(reply.dialect);
    return answer(reply, request, call);
  });
  for (const stream of [true, false]) {
    const inline = await post(chat, { messages, stream, reasoning: { placement: 'inline' } });
    assert.match(await inline.text(), /<think>/);
    const hidden = await post(chat, { messages, stream, include_reasoning: false });
    assert.doesNotMatch(await hidden.text(), /hm|reasoning_content/);
  }
  assert.deepEqual(seen, [undefined, undefined, undefined, undefined]);
});

test('white space keeps a silent wait alive and the body stays JSON', async (t) => {
  const { script, next } = held();
  const { port, clock } = await start(t, script, { keepAlive: 'whitespace' });
  const caller = callRaw(port);
  caller.send(rawPost(chat, wholeBody));
  const reply = await next();
  clock.advance(9_000);
  assert.equal(reply.begun, false);
  clock.advance(11_000);
  assert.equal(reply.begun, true);
  await caller.until(/\r\n\r\n1\r\n \r\n1\r\n \r\n$/);
  reply.events([answered, finished]);
  reply.finish(head, { usage });
  const received = await caller.until(/0\r\n\r\n$/);
  const json = /\r\n(\{.*\})\r\n0\r\n\r\n$/.exec(received)?.[1] ?? '';
  assert.equal(JSON.parse(json).choices[0].message.content, 'Hi');
  assert.equal(clock.pending, 0);
  caller.socket.destroy();
});

test('after white space a failure can only break the connection', async (t) => {
  const { script, next } = held();
  const { port, clock } = await start(t, script, { keepAlive: 'whitespace' });
  const caller = callRaw(port);
  caller.send(rawPost(chat, wholeBody));
  const reply = await next();
  clock.advance(10_000);
  await caller.until(/ \r\n$/);
  reply.fail(overloaded, {});
  assert.doesNotMatch(await caller.closed(), /\r\n0\r\n|error/);
});

test('B4: a caller who leaves while waiting is noticed, in a stream and out of it', async (t) => {
  const { script, next } = held();
  const { port } = await start(t, script);
  for (const body of [streamBody, wholeBody]) {
    const caller = callRaw(port);
    caller.send(rawPost(chat, body));
    const reply = await next();
    const gone = new Promise<void>((resolve) => reply.onGone(resolve));
    caller.socket.destroy();
    await gone;
  }
});

test('B4: a slow caller’s unsent bytes are counted until they go out', async (t) => {
  const { script, next } = held();
  const { port } = await start(t, script);
  const caller = callRaw(port, { paused: true });
  caller.send(rawPost(chat, streamBody));
  const reply = await next();
  reply.begin(head);
  const long: GenerationEvent = { ...answered, text: 'x'.repeat(100_000) };
  for (let i = 0; i < 1000 && reply.unsentBytes < 256 * 1024; i += 1) reply.events([long]);
  assert.ok(reply.unsentBytes >= 256 * 1024);
  const drained = new Promise<void>((resolve) => reply.onDrain(resolve));
  caller.socket.resume();
  await drained;
  assert.equal(reply.unsentBytes, 0);
  caller.socket.destroy();
});

test('requests are refused with the field’s path, broken JSON with its position', async (t) => {
  const { post, port } = await start(t, answer);
  const wrong = await post(chat, { messages: [{ role: 'user', content: 3 }] });
  assert.equal(wrong.status, 400);
  assert.equal(JSON.parse(await wrong.text()).error.param, 'messages[0].content');
  const caller = callRaw(port);
  caller.send(rawPost(chat, '{"messages":[}', 'connection: close\r\n'));
  assert.match(await caller.closed(), /400 .*"code":"invalid_json".*"position":13/s);
});

test('the only model need not be named, one of several must be', async (t) => {
  const models: string[] = [];
  const two = [{ id: 'a' }, { id: 'b' }];
  const record: Script = (reply, request, call) => {
    models.push(request.model);
    return answer(reply, request, call);
  };
  const one = await start(t, record);
  await (await one.post(chat, { messages })).text();
  assert.deepEqual(models, ['pocket-r1']);
  const several = await start(t, record, { models: () => two });
  const refused = await several.post(chat, { messages });
  assert.equal(JSON.parse(await refused.text()).error.param, 'model');
});

test('legacy completions are text, streamed and whole', async (t) => {
  const { post } = await start(t, answer);
  const body = JSON.parse(await (await post('/v1/completions', { prompt: 'Once' })).text());
  assert.equal(body.object, 'text_completion');
  assert.equal(body.choices[0].text, 'hmHi');
  const text = await (await post('/v1/completions', { prompt: 'Once', stream: true })).text();
  assert.match(
    text,
    /"choices":\[\{"index":0,"text":"Hi","logprobs":null,"finish_reason":null\}\]/,
  );
  assert.match(text, /data: \[DONE\]\n\n$/);
});

test('B3: /generate takes a prompt and gives text, streamed and whole', async (t) => {
  const { post } = await start(t, answer);
  const whole = JSON.parse(await (await post('/generate', { prompt: 'Why?' })).text());
  assert.equal(whole.text, 'Hi');
  assert.equal(whole.reasoning, 'hm');
  const stream = await (await post('/generate', { prompt: 'Why?', stream: true })).text();
  assert.match(stream, /data: \{"text":"Hi"\}\n\n.*data: \[DONE\]\n\n$/s);
});

test('models, tokens, embeddings and metrics answer from their functions', async (t) => {
  const { get, post } = await start(t, answer);
  const list = JSON.parse(await (await get('/v1/models')).text());
  assert.equal(list.data[0].context_length, 4096);
  assert.equal(JSON.parse(await (await get('/v1/models/pocket-r1')).text()).id, 'pocket-r1');
  const missing = await get('/v1/models/deepseek-r1');
  assert.equal(missing.status, 404);
  assert.match(await missing.text(), /"code":"model_not_found"/);
  const tokens = JSON.parse(await (await post('/tokenize', { prompt: 'a' })).text());
  assert.deepEqual(tokens, { count: 2, max_model_len: 4096, tokens: [1, 2] });
  const text = JSON.parse(await (await post('/detokenize', { tokens: [3, 4] })).text());
  assert.deepEqual(text, { prompt: '3 4' });
  const embedded = await post('/v1/embeddings', { input: 'a' });
  assert.equal(await embedded.text(), '{"input":"a"}');
  const metrics = await get('/metrics');
  assert.match(metrics.headers.get('content-type') ?? '', /^text\/plain; version=0.0.4/);
  assert.equal(await metrics.text(), 'unbusy_queue_depth 0\n');
});

test('B5: /healthz never depends on an engine, /readyz says who is waited for', async (t) => {
  const waitingFor = [{ endpoint: 'demo', state: 'starting', reason: 'loading 40 %' }];
  const { get } = await start(t, answer, {
    readiness: () => ({ ready: false, waitingFor }),
    authorize: () => {
      throw new UnbusyError('unauthenticated', 'invalid_api_key', 'no key');
    },
  });
  assert.equal((await get('/healthz')).status, 200);
  const ready = await get('/readyz');
  assert.equal(ready.status, 503);
  const body = { status: 'not_ready', waiting_for: waitingFor };
  assert.deepEqual(JSON.parse(await ready.text()), body);
});

test('every other route asks who is calling, with the scope it needs', async (t) => {
  const scopes: string[] = [];
  const { get, post } = await start(t, answer, {
    authorize: (_caller, scope) => {
      scopes.push(scope);
      throw new UnbusyError('unauthenticated', 'invalid_api_key', 'no key');
    },
  });
  const refused = [
    await get('/v1/models'),
    await get('/v1/models/x'),
    await post('/tokenize', {}),
    await post('/detokenize', {}),
    await post('/v1/embeddings', {}),
    await get('/metrics'),
  ];
  for (const response of refused) {
    assert.equal(response.status, 401);
    assert.equal(response.headers.get('www-authenticate'), 'Bearer');
  }
  assert.deepEqual(scopes, ['infer', 'infer', 'infer', 'infer', 'infer', 'read']);
});

/** Waits for something that the event loop will bring. */
async function eventually(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}
