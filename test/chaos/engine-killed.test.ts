/** Engine processes die by kill -9 while requests run and wait (E4). */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { chat, longText, openStream, post, readStream, type StreamEnd } from '../e2e/ask.ts';
import { type Server, startServer } from '../e2e/start-server.ts';

const completions = '/v1/completions';
const chats = '/v1/chat/completions';
const question = chat('What is 17 + 25?');

async function serve(t: TestContext, replicas: number, slots: number): Promise<Server> {
  const demo = {
    kind: 'embedded',
    replicas,
    threads: 1,
    flash_attention: true,
    dynamic_batching: { max_batch_size: slots },
    warmup: { requests: 0 },
  };
  const server = await startServer({ config: { endpoints: { demo } } });
  t.after(() => server.stop());
  // The ready line may come before the last engine is.
  await server.untilMetric((ready) => ready === replicas, 'unbusy_endpoint_state', 'state="ready"');
  return server;
}

/** Twenty who wait: half of them read a stream. */
function askTwenty(server: Server): Promise<string>[] {
  return Array.from({ length: 20 }, async (_, index) => {
    if (index % 2 === 0) {
      const { status, body } = await post(server.url, chats, question);
      assert.equal(status, 200);
      return body.choices[0]?.message?.content ?? '';
    }
    const { text, done, error } = await readStream(server.url, chats, question);
    assert.deepEqual([done, error], [true, undefined]);
    return text;
  });
}

/** Two streams that have begun and two whole answers that have not, on all slots there are. */
async function occupy(server: Server) {
  const body = await longText(server.url, 1200);
  const streams = await Promise.all([1, 2].map(() => openStream(server.url, completions, body)));
  await Promise.all(streams.map(({ begun }) => begun));
  const whole = [1, 2].map(() => post(server.url, completions, { ...body, max_tokens: 300 }));
  await server.untilMetric((running) => running === 4, 'unbusy_endpoint_inflight');
  return { streams, whole };
}

function assertBrokenVisibly({ error, done, finish }: StreamEnd): void {
  assert.equal(error?.code, 'engine_lost');
  assert.equal(error.attempts?.length, 1);
  assert.deepEqual([done, finish], [false, undefined]);
}

test('E4: all engines die: the 20 who wait and those without a first word are answered', async (t) => {
  const server = await serve(t, 2, 2);
  const { streams, whole } = await occupy(server);
  const waiting = askTwenty(server);
  await server.untilMetric((depth) => depth === 20, 'unbusy_queue_depth');
  const engines = server.enginePids();
  assert.equal(engines.length, 2);
  for (const pid of engines) process.kill(pid, 'SIGKILL');

  for (const { ended } of streams) assertBrokenVisibly(await ended);
  const texts = await Promise.all(waiting);
  assert.deepEqual([...new Set(texts)], ['17 + 25 = 42']);
  for (const { status, body } of await Promise.all(whole)) {
    assert.equal(status, 200);
    assert.equal(body.usage?.completion_tokens, 300);
  }
  const outcomes = (outcome: string) =>
    server.metric('unbusy_requests_total', `outcome="${outcome}"`);
  assert.deepEqual([await outcomes('completed'), await outcomes('interrupted')], [22, 2]);
  const lost = server.log.filter(({ code }) => code === 'engine_lost');
  assert.equal(lost.length, 2, 'each loss is told in the log');
  assert.ok(server.enginePids().every((pid) => !engines.includes(pid)));
});

test('E4: one of two engines dies: the other takes its work at once', async (t) => {
  const server = await serve(t, 2, 2);
  const { streams, whole } = await occupy(server);
  const waiting = askTwenty(server);
  await server.untilMetric((depth) => depth === 20, 'unbusy_queue_depth');
  const [victim] = server.enginePids();
  assert.ok(victim !== undefined);
  process.kill(victim, 'SIGKILL');

  assert.deepEqual([...new Set(await Promise.all(waiting))], ['17 + 25 = 42']);
  const ends = await Promise.all(streams.map(({ ended }) => ended));
  const broken = ends.filter(({ error }) => error !== undefined);
  assert.ok(broken.length <= 2);
  broken.forEach(assertBrokenVisibly);
  for (const end of ends.filter(({ error }) => error === undefined)) {
    assert.deepEqual([end.done, end.finish], [true, 'length']);
  }
  for (const { status } of await Promise.all(whole)) assert.equal(status, 200);
});

test('E4: who comes while the only engine starts again waits and is answered', async (t) => {
  const server = await serve(t, 1, 4);
  const [pid] = server.enginePids();
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGKILL');
  await server.untilLog(({ code }) => code === 'engine_lost');
  const { text } = await readStream(server.url, chats, question);
  assert.equal(text, '17 + 25 = 42');
});

test('E4: an engine that is killed again and again is started again and again', async (t) => {
  const server = await serve(t, 1, 4);
  for (const round of [1, 2, 3]) {
    const [pid] = server.enginePids();
    assert.ok(pid !== undefined);
    process.kill(pid, 'SIGKILL');
    await server.untilMetric((ready) => ready === 0, 'unbusy_endpoint_state', 'state="ready"');
    await server.untilMetric((ready) => ready === 1, 'unbusy_endpoint_state', 'state="ready"');
    const { status } = await post(server.url, chats, question);
    assert.equal(status, 200, `round ${round}`);
  }
});
