import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createVirtualClock } from '../core/clock.ts';
import { createFakeUpstream, type FakeBehaviour } from './fake-upstream.ts';
import { createOpenAiUpstream } from './openai-upstream.ts';
import {
  advanceUntil,
  chat,
  dispatch,
  fakeFor,
  MINIMAL,
  pair,
  silentTelemetry,
  TIMEOUTS,
  until,
  upstreamFor,
} from './openai-upstream-fixture.ts';

describe('an endpoint finds out what answers', () => {
  for (const engine of ['openai', 'vllm', 'sglang', 'llama-server'] as const) {
    it(`knows ${engine} by its routes`, async (t) => {
      const { upstream } = await pair(t, { engine, contextTokens: 4096, slots: 3 });
      assert.equal(upstream.kind, engine);
      const status = upstream.status();
      assert.equal(status.state, 'ready');
      assert.equal(status.models[0]?.id, 'deepseek-r1');
      assert.equal(status.models[0]?.contextTokens, 4096);
      assert.equal(status.concurrencyMax, engine === 'llama-server' ? 3 : 64);
      assert.equal(status.kvUsageRatio, engine === 'vllm' ? 0.5 : undefined);
    });
  }

  it('takes an address with and without /v1, and with a slash behind it', async (t) => {
    const fake = await fakeFor(t, { engine: 'vllm' });
    for (const path of ['', '/', '/v1', '/v1/']) {
      const upstream = upstreamFor(t, fake.url + path);
      await upstream.start();
      assert.equal(upstream.kind, 'vllm');
      const { text } = await dispatch(upstream, chat()).result;
      assert.equal(JSON.parse(text).choices[0].message.content, 'The answer is 4.');
    }
  });

  it('waits for an engine that is not there yet, and says so', async (t) => {
    const fake = await createFakeUpstream();
    await fake.close();
    const clock = createVirtualClock();
    const states: string[] = [];
    const telemetry = silentTelemetry(states);
    const upstream = upstreamFor(t, fake.url, { clock, telemetry });
    const started = upstream.start();
    let changes = 0;
    upstream.onStatusChange(() => {
      changes += 1;
    });
    await until(() => changes === 1);
    assert.equal(upstream.status().state, 'starting');
    assert.match(upstream.status().reason ?? '', /^connect ECONNREFUSED 127/);
    await fakeFor(t, { port: fake.port });
    await advanceUntil(clock, () => upstream.status().state === 'ready');
    await started;
    assert.equal(upstream.status().state, 'ready');
    assert.deepEqual(states, ['starting', 'ready']);
  });

  it('tells loading from gone, and finds out again what came back', async (t) => {
    const clock = createVirtualClock();
    const fake = await createFakeUpstream({ engine: 'llama-server' });
    fake.setLoading(true);
    const upstream = upstreamFor(t, fake.url, { clock });
    let changes = 0;
    upstream.onStatusChange(() => {
      changes += 1;
    });
    const started = upstream.start();
    await until(() => changes === 1);
    assert.deepEqual(
      [upstream.status().state, upstream.status().reason],
      ['starting', 'GET /v1/models answered 503: Loading model'],
    );
    fake.setLoading(false);
    await advanceUntil(clock, () => upstream.status().state === 'ready');
    await started;
    await fake.close();
    await advanceUntil(clock, () => upstream.status().state === 'down');
    await fakeFor(t, { engine: 'sglang', port: fake.port });
    await advanceUntil(clock, () => upstream.status().state === 'ready');
    assert.equal(upstream.kind, 'sglang');
  });

  it('takes a refused request for a sign, and does not wait for the next probe', async (t) => {
    const { fake, upstream } = await pair(t, {}, { clock: createVirtualClock() });
    await fake.close();
    const { failure } = await dispatch(upstream, chat()).result;
    assert.equal(failure?.stage, 'not_placed');
    await until(() => upstream.status().state === 'down');
  });

  it('names a key that is not accepted, and never the key', async (t) => {
    const fake = await fakeFor(t, { key: 'right' });
    const upstream = upstreamFor(t, fake.url, { key: 'wrong-secret' });
    upstream.start().catch(() => {});
    await until(() => upstream.status().state === 'down');
    assert.equal(upstream.status().reason, 'GET /v1/models answered 401: the key is not accepted');
    const right = upstreamFor(t, fake.url, { key: 'right' });
    await right.start();
    assert.equal(right.status().state, 'ready');
  });

  it('rejects start where it is closed before, and a url that is none', async (t) => {
    const fake = await createFakeUpstream();
    await fake.close();
    const upstream = upstreamFor(t, fake.url);
    const started = upstream.start();
    await upstream.close();
    await assert.rejects(started, /e1 has been closed/);
    for (const url of ['', 'host:8000', 'ftp://host', 'http://h/v1?a=b', 'http://u:p@h']) {
      assert.throws(() => upstreamFor(t, url), { code: 'invalid_config' });
    }
  });

  it('refuses a key that cannot be sent, without showing it', () => {
    assert.throws(
      () => createOpenAiUpstream({ ...MINIMAL, key: 'secret\n' }),
      (error: Error) => /header authorization/.test(error.message) && !/secret/.test(error.message),
    );
  });

  it('stays ready while a silent engine still speaks to callers, and not for ever (B5)', async (t) => {
    const clock = createVirtualClock();
    const answer = Array<string>(100_000).fill('x');
    const timeouts = { ...TIMEOUTS, idleMs: 60_000 };
    const behaviour: FakeBehaviour = { kind: 'answer', answer, paceMs: 1 };
    const { fake, upstream } = await pair(t, { behaviour }, { clock, timeouts });
    let reads = 0;
    const { exchange } = dispatch(upstream, chat({ stream: true }), 'bytes', () => {
      reads += 1;
    });
    await until(() => reads > 0);
    fake.setSilent(true);
    for (let probe = 0; probe < 10; probe += 1) {
      const before = reads;
      clock.advance(5000);
      await until(() => reads > before);
    }
    assert.equal(upstream.status().state, 'ready');
    exchange.abort();
    await advanceUntil(clock, () => upstream.status().state === 'down');
    assert.match(upstream.status().reason ?? '', /no answer began within 5000 ms/);
  });

  it('takes the operator’s word for a model that the endpoint does not list', async (t) => {
    const { fake, upstream } = await pair(t, { model: 'other' }, { upstreamModel: 'ep-1' });
    assert.deepEqual(upstream.status().models, [{ id: 'ep-1' }]);
    await dispatch(upstream, chat()).result;
    assert.equal(fake.requests[0]?.body['model'], 'ep-1');
  });
});
