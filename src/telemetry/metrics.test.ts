import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineStepStats, RequestRecord } from '../protocol/telemetry.ts';
import { createMetrics, type Metrics } from './metrics.ts';

const record: RequestRecord = {
  id: 'req_1',
  route: 'POST /v1/chat/completions',
  model: 'pocket-r1',
  tenant: 'team-a',
  requestClass: 'interactive',
  stream: true,
  outcome: 'completed',
  status: 200,
  endpoint: 'demo',
  relay: 'raw',
  attempts: [{ endpoint: 'demo', result: 'ok' }],
  queueMs: 2_000,
  predictedQueueMs: 1_000,
  firstTokenMs: 2_500,
  durationMs: 12_500,
  usage: { promptTokens: 10, completionTokens: 101, reasoningTokens: 40, cachedTokens: 4 },
};

const step: EngineStepStats = {
  batchSize: 4,
  prefillTokens: 0,
  waiting: 0,
  slots: 8,
  kvUsageRatio: 0.25,
  decodeMs: 1,
  prefillMs: 0,
  sampleMs: 0,
};

/** Every sample of the page by its name and labels. */
async function scrape(metrics: Metrics): Promise<Map<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const split = line.lastIndexOf(' ');
      return [line.slice(0, split), Number(line.slice(split + 1))];
    }),
  );
}

test('H1: a settled request is counted once, with its tokens, waits and times', async () => {
  const metrics = createMetrics({ version: '1.2.3' });
  metrics.sink.requestSettled(record);
  const page = await scrape(metrics);
  const expected = {
    'unbusy_requests_total{outcome="completed",model="pocket-r1",class="interactive",tenant="team-a"}': 1,
    'unbusy_tokens_total{kind="prompt"}': 6,
    'unbusy_tokens_total{kind="cached"}': 4,
    'unbusy_tokens_total{kind="reasoning"}': 40,
    'unbusy_tokens_total{kind="answer"}': 61,
    'unbusy_attempts_total{result="ok"}': 1,
    'unbusy_queue_wait_seconds_sum{class="interactive"}': 2,
    unbusy_queue_wait_prediction_ratio_sum: 0.5,
    'gen_ai_server_time_to_first_token_seconds_sum{gen_ai_request_model="pocket-r1",gen_ai_operation_name="chat"}': 2.5,
    'gen_ai_server_request_duration_seconds_sum{gen_ai_request_model="pocket-r1",gen_ai_operation_name="chat"}': 12.5,
    'gen_ai_server_time_per_output_token_seconds_sum{gen_ai_request_model="pocket-r1",gen_ai_operation_name="chat"}': 0.1,
    'unbusy_build_info{version="1.2.3"}': 1,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(page.get(name), value, name);
  assert.match(metrics.contentType, /^text\/plain/);
});

test('a request that was refused counts as such and in no latency', async () => {
  const metrics = createMetrics({ version: '1' });
  metrics.sink.requestSettled({
    ...record,
    outcome: 'refused',
    status: 503,
    attempts: [],
    firstTokenMs: undefined,
    usage: undefined,
  });
  const page = await scrape(metrics);
  const names = [...page.keys()];
  assert.ok(names.some((name) => name.includes('outcome="refused"')));
  assert.ok(!names.some((name) => /(duration|first_token|queue_wait)_seconds_sum\{/.test(name)));
});

test('waits that were neither predicted nor real say nothing about the prediction', async () => {
  const metrics = createMetrics({ version: '1' });
  metrics.sink.requestSettled({ ...record, queueMs: 3, predictedQueueMs: 0 });
  const page = await scrape(metrics);
  assert.equal(page.get('unbusy_queue_wait_prediction_ratio_count'), 0);
});

test('made-up models and floods of tenants end up under "other"', async () => {
  const metrics = createMetrics({ version: '1', modelsMax: 3, tenantsMax: 5 });
  for (let i = 0; i < 500; i += 1) {
    metrics.sink.requestSettled({
      ...record,
      model: `made-up-${i}`,
      tenant: `tenant-${i}`,
      outcome: 'failed',
      status: 404,
      attempts: [],
    });
  }
  metrics.sink.requestSettled(record);
  const requests = [...(await scrape(metrics)).keys()].filter((name) =>
    name.startsWith('unbusy_requests_total'),
  );
  assert.ok(requests.length <= 8, `${requests.length} series`);
  assert.ok(
    requests.some((name) => name.includes('model="pocket-r1"')),
    'the real model keeps its name',
  );
  assert.ok(requests.some((name) => name.includes('model="other"')));
});

test('C8: batch sizes and efficiency come from the engine steps', async () => {
  const metrics = createMetrics({ version: '1' });
  metrics.sink.engineStep('demo', { ...step, batchSize: 8, waiting: 5 });
  metrics.sink.engineStep('demo', { ...step, batchSize: 1, waiting: 0 });
  let page = await scrape(metrics);
  assert.equal(page.get('unbusy_batch_size_sum{endpoint="demo"}'), 9);
  assert.equal(page.get('unbusy_batch_size_bucket{le="1",endpoint="demo"}'), 1);
  assert.equal(page.get('unbusy_batch_efficiency_ratio{endpoint="demo"}'), 1);
  for (let i = 0; i < 5_000; i += 1) {
    metrics.sink.engineStep('demo', { ...step, batchSize: 2, waiting: 2 });
  }
  page = await scrape(metrics);
  const ratio = page.get('unbusy_batch_efficiency_ratio{endpoint="demo"}') as number;
  assert.ok(Math.abs(ratio - 0.5) < 0.02, String(ratio));
});

test('F2: KV cache usage comes from steps and from endpoints that tell it', async () => {
  const metrics = createMetrics({ version: '1' });
  metrics.sink.engineStep('demo', { ...step, batchSize: 0 });
  metrics.observe(() => ({
    queues: [{ model: 'pocket-r1', requestClass: 'batch', depth: 7 }],
    endpoints: [
      { name: 'demo', inFlight: 3, concurrencyMax: 16 },
      { name: 'h200', inFlight: 1, concurrencyMax: 64, kvUsageRatio: 0.75 },
    ],
    sinkErrors: 2,
  }));
  const page = await scrape(metrics);
  assert.equal(page.get('unbusy_kv_cache_usage_ratio{endpoint="demo"}'), 0.25);
  assert.equal(page.get('unbusy_kv_cache_usage_ratio{endpoint="h200"}'), 0.75);
  assert.equal(page.get('unbusy_queue_depth{model="pocket-r1",class="batch"}'), 7);
  assert.equal(page.get('unbusy_endpoint_inflight{endpoint="demo"}'), 3);
  assert.equal(page.get('unbusy_endpoint_concurrency_limit{endpoint="h200"}'), 64);
  assert.equal(page.get('unbusy_telemetry_errors_total'), 2);
  assert.equal(page.get('unbusy_batch_size_count{endpoint="demo"}'), undefined);
});

test('an endpoint is in one state at a time, and what went away is gone from the page', async () => {
  const metrics = createMetrics({ version: '1' });
  metrics.sink.endpointState('demo', 'starting', undefined);
  metrics.sink.endpointState('demo', 'ready', undefined);
  const page = await scrape(metrics);
  const states = [...page].filter(([name]) => name.startsWith('unbusy_endpoint_state'));
  assert.equal(states.length, 7);
  assert.deepEqual(
    states.filter(([, value]) => value === 1).map(([name]) => name),
    ['unbusy_endpoint_state{endpoint="demo",state="ready"}'],
  );
  const endpoint = { name: 'gone', inFlight: 1, concurrencyMax: 1 };
  metrics.observe(() => ({ queues: [], endpoints: [endpoint], sinkErrors: 0 }));
  await metrics.text();
  metrics.observe(() => ({ queues: [], endpoints: [], sinkErrors: 0 }));
  assert.equal((await scrape(metrics)).get('unbusy_endpoint_inflight{endpoint="gone"}'), undefined);
});

test('every name follows the rules: our prefix or gen_ai, base units, counters in _total', async () => {
  const metrics = createMetrics({ version: '1' });
  const text = await metrics.text();
  const declared = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  assert.ok(declared.length >= 16);
  for (const [, name = '', type] of declared) {
    assert.match(name, /^(unbusy|gen_ai)_[a-z_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
  }
});

test('process metrics are there when asked for', async () => {
  const metrics = createMetrics({ version: '1', processMetrics: true });
  assert.match(await metrics.text(), /^process_cpu_seconds_total /m);
});
