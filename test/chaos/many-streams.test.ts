/** Many streams at once on the embedded engine: all complete, and the exact ones are exact (B7). */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readStream } from '../e2e/ask.ts';
import { type Server, startServer } from '../e2e/start-server.ts';

const route = '/v1/chat/completions';
let server: Server;

before(async () => {
  server = await startServer();
});
after(() => server.stop());

/** Questions of several lengths, cut at several lengths; every fourth one exact. */
function request(index: number): object {
  const words = Array.from({ length: (index * 7) % 60 }, (_, n) => `item ${n}`).join(', ');
  return {
    messages: [{ role: 'user', content: `${words} What is ${index} + ${index * 3}?` }],
    max_tokens: 5 + ((index * 11) % 70),
    temperature: 0.8,
    seed: index,
    stream_options: { include_usage: true },
    ...(index % 4 === 0 ? { deterministic: true } : {}),
  };
}

test('B7: 64 concurrent streams of mixed lengths complete; deterministic ones equal those alone', async () => {
  const indexes = Array.from({ length: 64 }, (_, index) => index);
  const exact = indexes.filter((index) => index % 4 === 0);
  const alone = new Map<number, string>();
  for (const index of exact) {
    const { thought, text } = await readStream(server.url, route, request(index));
    alone.set(index, `${thought}|${text}`);
  }
  const ends = await Promise.all(
    indexes.map((index) => readStream(server.url, route, request(index))),
  );
  for (const [index, { thought, text, finish, usage, done, whole, error }] of ends.entries()) {
    assert.deepEqual([done, whole, error], [true, true, undefined], `stream ${index}`);
    assert.ok(finish === 'stop' || finish === 'length');
    assert.ok(usage);
    const limit = 5 + ((index * 11) % 70);
    assert.ok(usage.completion_tokens <= limit);
    if (finish === 'length') assert.equal(usage.completion_tokens, limit);
    if (alone.has(index)) assert.equal(`${thought}|${text}`, alone.get(index), `stream ${index}`);
  }
  assert.equal(new Set(alone.values()).size, exact.length, 'the exact ones are not all alike');
  assert.equal(await server.metric('unbusy_endpoint_inflight'), 0);
});
