/** More requests than there is room: who waits, who is refused, and whose turn it is (D3, C6). */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createFakeUpstream } from '../../src/upstream/fake-upstream.ts';
import { longText, openStream, post, postError } from '../e2e/ask.ts';
import { type Server, startServer } from '../e2e/start-server.ts';

const completions = '/v1/completions';
const chats = '/v1/chat/completions';

async function serve(t: TestContext, config: object): Promise<Server> {
  const server = await startServer({ config });
  t.after(() => server.stop());
  return server;
}

function oneSlot(queue: object = {}) {
  const demo = {
    kind: 'embedded',
    replicas: 1,
    threads: 1,
    flash_attention: true,
    dynamic_batching: { max_batch_size: 1 },
    warmup: { requests: 0 },
  };
  return { endpoints: { demo }, queue };
}

test('D3: a wait that would break the deadline is refused at once, with the true time', async (t) => {
  const server = await serve(t, oneSlot());
  const body = await longText(server.url, 1900);
  const running = await openStream(server.url, completions, body);
  await running.begun;
  const waiting = post(server.url, completions, { prompt: 'Hello', max_tokens: 1 });
  await server.untilMetric((depth) => depth === 1, 'unbusy_queue_depth');
  for (const stream of [false, true]) {
    const answer = await postError(
      server.url,
      completions,
      { ...body, stream },
      { 'x-unbusy-deadline-ms': '1' },
    );
    const { status, headers, body: error } = answer;
    assert.deepEqual([status, error.code], [503, 'overloaded']);
    const trueMs = error.retry_after_ms ?? 0;
    assert.ok(trueMs >= 1000 && trueMs >= (error.facts?.['predicted_wait_ms'] ?? 0));
    const afterMs = Number(headers.get('retry-after-ms'));
    assert.ok(afterMs >= Math.min(trueMs, 60_000) && afterMs <= Math.min(trueMs * 1.2 + 1, 60_000));
    assert.equal(Number(headers.get('retry-after')), Math.ceil(afterMs / 1000));
    assert.equal(headers.get('x-should-retry'), null);
    assert.match(error.message, /pocket-r1 is busy: .*come back in/);
  }
  running.leave();
  assert.equal((await waiting).status, 200, 'who may wait is answered');
});

test('D3: a full queue says so', async (t) => {
  const server = await serve(t, oneSlot({ max_depth: 1 }));
  const body = await longText(server.url, 1500);
  const running = await openStream(server.url, completions, body);
  await running.begun;
  const waiting = post(server.url, completions, { prompt: 'Hello', max_tokens: 1 });
  await server.untilMetric((depth) => depth === 1, 'unbusy_queue_depth');
  const { status, headers, body: error } = await postError(server.url, completions, body);
  assert.deepEqual([status, error.code], [503, 'queue_full']);
  assert.ok(Number(headers.get('retry-after')) >= 1);
  running.leave();
  assert.equal((await waiting).status, 200);
});

test('D3: streams that wait hear their place and time, and end with what they waited', async (t) => {
  const server = await serve(t, oneSlot({ headers_after_ms: 50 }));
  const running = await openStream(server.url, completions, await longText(server.url, 1900));
  await running.begun;
  const ask = { prompt: 'Hello', max_tokens: 2 };
  const first = openStream(server.url, completions, ask);
  await server.untilMetric((depth) => depth === 1, 'unbusy_queue_depth');
  const second = openStream(server.url, completions, ask);
  await server.untilMetric((depth) => depth === 2, 'unbusy_queue_depth');
  const streams = await Promise.all([first, second]);
  for (const [index, stream] of streams.entries()) {
    const comment = await stream.untilComment(/^queued position=/);
    assert.match(comment, new RegExp(`^queued position=${index + 1} eta_ms=\\d+$`));
    assert.equal(stream.headers.get('x-unbusy-queue-ms'), null, 'not known at its head');
  }
  running.leave();
  for (const stream of streams) {
    const { comments, done, text } = await stream.ended;
    assert.equal(done, true);
    assert.notEqual(text, '');
    assert.match(comments.at(-1) ?? '', /^unbusy endpoint=demo queue_ms=\d+ attempts=1/);
  }
});

test('D3: with comments off nothing but the answer comes', async (t) => {
  const server = await serve(t, oneSlot({ headers_after_ms: 50, comments: false }));
  const running = await openStream(server.url, completions, await longText(server.url, 1900));
  await running.begun;
  // Its head comes while it waits.
  const waiting = await openStream(server.url, completions, { prompt: 'Hello', max_tokens: 2 });
  assert.equal(await server.metric('unbusy_queue_depth'), 1);
  running.leave();
  const { comments, done } = await waiting.ended;
  assert.deepEqual(
    comments.filter((comment) => comment.startsWith('queued')),
    [],
  );
  assert.equal(done, true);
});

test('C6: two tenants share a full engine by their weights within 10 %', async (t) => {
  const slots = 4;
  const upstream = await createFakeUpstream({ behaviour: { kind: 'answer', paceMs: 4 } });
  t.after(() => upstream.close());
  const server = await serve(t, {
    endpoints: { far: { kind: 'openai', url: upstream.url, concurrency: { max: slots } } },
    tenants: { heavy: { weight: 2 }, light: { weight: 1 } },
    keys: [
      { id: 'heavy-1', tenant: 'heavy', secret: 'secret-of-the-heavy-one' },
      { id: 'light-1', tenant: 'light', secret: 'secret-of-the-light-one' },
    ],
  });
  const total = 360;
  const counts = { heavy: 0, light: 0 };
  let answered = 0;
  const ask = { max_tokens: 10, messages: [{ role: 'user', content: 'x' }] };
  async function keepAsking(tenant: 'heavy' | 'light'): Promise<void> {
    const authorization = `Bearer secret-of-the-${tenant}-one`;
    while (answered < total) {
      const { status } = await post(server.url, chats, ask, { authorization });
      assert.equal(status, 200, 'nobody is refused');
      if (answered >= total) return;
      answered += 1;
      counts[tenant] += 1;
    }
  }
  const callers = Array.from({ length: 24 }, (_, n) => keepAsking(n % 2 === 0 ? 'heavy' : 'light'));
  await Promise.all(callers);
  const share = counts.heavy / total;
  assert.ok(Math.abs(share - 2 / 3) <= 0.1 * (2 / 3), `heavy had ${share} of ${total}`);
});
