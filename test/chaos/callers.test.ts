/** Callers who leave and callers who do not read: neither may hold an engine or memory (B4). */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createFakeUpstream } from '../../src/upstream/fake-upstream.ts';
import { longText, openStream, post } from '../e2e/ask.ts';
import { type Server, type ServerOptions, startServer, until } from '../e2e/start-server.ts';

const completions = '/v1/completions';

async function serve(t: TestContext, options: ServerOptions): Promise<Server> {
  const server = await startServer(options);
  t.after(() => server.stop());
  return server;
}

function embedded(slots: number) {
  const demo = {
    kind: 'embedded',
    replicas: 1,
    threads: 1,
    flash_attention: true,
    dynamic_batching: { max_batch_size: slots },
    warmup: { requests: 0 },
  };
  return { endpoints: { demo } };
}

/** Steps so far and the requests in them: a request that is left behind shows as one too many. */
async function steps(server: Server) {
  const count = await server.metric('unbusy_batch_size_count');
  const sum = await server.metric('unbusy_batch_size_sum');
  return { count, sum };
}

test('B4: the engine stops within a step when a streaming caller leaves', async (t) => {
  const server = await serve(t, { config: embedded(4) });
  const stream = await openStream(server.url, completions, await longText(server.url, 1900));
  await stream.begun;
  stream.leave();
  const id = stream.headers.get('x-request-id') ?? '';
  const entry = await server.outcomeOf(id);
  assert.equal(entry['outcome'], 'cancelled');
  assert.equal(await server.metric('unbusy_endpoint_inflight'), 0);
  const before = await steps(server);
  await post(server.url, completions, await longText(server.url, 50));
  const after = await steps(server);
  const extra = after.sum - before.sum - (after.count - before.count);
  assert.ok(after.count - before.count >= 40, 'the steps are counted');
  assert.ok(extra <= 1, `it went on for ${extra} steps`);
});

test('B4: a caller who waits for a whole answer and leaves stops the engine, too', async (t) => {
  const server = await serve(t, { config: embedded(1) });
  const leaving = new AbortController();
  const answer = fetch(server.url + completions, {
    method: 'POST',
    headers: { 'x-request-id': 'leaves' },
    body: JSON.stringify(await longText(server.url, 1900)),
    signal: leaving.signal,
  });
  await server.untilMetric((running) => running === 1, 'unbusy_endpoint_inflight');
  leaving.abort();
  await assert.rejects(answer);
  assert.equal((await server.outcomeOf('leaves'))['outcome'], 'cancelled');
  const next = await post(server.url, completions, { prompt: 'Hello', max_tokens: 1 });
  assert.equal(next.status, 200);
});

test('B4: a caller who leaves the queue is gone from it before it ever reaches an engine', async (t) => {
  const server = await serve(t, { config: embedded(1) });
  const body = await longText(server.url, 1900);
  const running = await openStream(server.url, completions, body);
  await running.begun;
  const leaving = new AbortController();
  const waiting = fetch(server.url + completions, {
    method: 'POST',
    headers: { 'x-request-id': 'waits' },
    body: JSON.stringify(body),
    signal: leaving.signal,
  });
  await server.untilMetric((depth) => depth === 1, 'unbusy_queue_depth');
  leaving.abort();
  await assert.rejects(waiting);
  const entry = await server.outcomeOf('waits');
  assert.deepEqual([entry['outcome'], entry['attempts']], ['cancelled', []]);
  assert.equal(await server.metric('unbusy_queue_depth'), 0);
  running.leave();
});

test('B4: the upstream of a caller who leaves hears it by its connection', async (t) => {
  const upstream = await createFakeUpstream({
    behaviour: { kind: 'answer', answer: Array<string>(100_000).fill(' more'), paceMs: 5 },
  });
  t.after(() => upstream.close());
  const server = await serve(t, { flags: ['--upstream', upstream.url] });
  const stream = await openStream(server.url, '/v1/chat/completions', {
    messages: [{ role: 'user', content: 'x' }],
  });
  await stream.begun;
  assert.equal(upstream.inFlight, 1);
  stream.leave();
  await until(() => upstream.inFlight === 0, 'the upstream is left');
  assert.equal(upstream.aborted, 1);
});

test('callers who do not read cost little memory and are dropped after caller_stall_ms', async (t) => {
  const callers = 4;
  const answer = Array<string>(1000).fill('x'.repeat(64 * 1024));
  const upstream = await createFakeUpstream({ behaviour: { kind: 'answer', answer } });
  t.after(() => upstream.close());
  const config = {
    server: { caller_stall_ms: 3000 },
    endpoints: { far: { kind: 'openai', url: upstream.url } },
  };
  const server = await serve(t, { config });
  const before = await server.metric('process_resident_memory_bytes');
  const sockets = await Promise.all(
    Array.from({ length: callers }, async () => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      await once(socket, 'connect');
      socket.on('error', () => {});
      socket.pause();
      const body = JSON.stringify({ stream: true, messages: [{ role: 'user', content: 'x' }] });
      socket.write(
        'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n' +
          `content-length: ${body.length}\r\n\r\n${body}`,
      );
      return socket;
    }),
  );
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  await server.untilMetric((running) => running === callers, 'unbusy_endpoint_inflight');
  let most = 0;
  const cancelled = () => server.metric('unbusy_requests_total', 'outcome="cancelled"');
  await until(async () => {
    most = Math.max(most, await server.metric('process_resident_memory_bytes'));
    return (await cancelled()) === callers;
  }, 'the callers are dropped');
  // 256 MB were to be sent; a caller may have 256 KB unsent here, the rest is buffers and heap.
  assert.ok(most - before < 96 * 1024 * 1024, `${Math.round((most - before) / 1e6)} MB`);
  await until(() => upstream.inFlight === 0, 'the upstream is left');
});
