import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKeyring } from '../../src/config/keys.ts';
import { configFromFlags } from '../../src/config/load.ts';
import { createVirtualClock } from '../../src/core/clock.ts';
import { UnbusyError } from '../../src/core/errors.ts';
import { createRandom, type Random } from '../../src/core/random.ts';
import { createAdmission } from '../../src/gateway/admission.ts';
import { createExpectedCompletion } from '../../src/policy/admission/expected-completion.ts';
import { createEndpoint } from '../../src/gateway/endpoint.ts';
import { handleRequest } from '../../src/gateway/handle-request.ts';
import { createIdentifier } from '../../src/gateway/identify.ts';
import { createInFlight } from '../../src/gateway/in-flight.ts';
import { createModelPools } from '../../src/gateway/model-pools.ts';
import { createRateLimits } from '../../src/gateway/rate-limits.ts';
import { createRetries } from '../../src/gateway/retries.ts';
import { createWaitingRoom, type WaitingRoom } from '../../src/gateway/waiting-room.ts';
import { type FakeCallOptions, FakeUpstream, fakeCall, rememberingTelemetry } from './fakes.ts';

/** The whole path on a virtual clock; the test plays callers and engines. */
function setUp(upstreams: readonly FakeUpstream[], random: Random = createRandom(1)) {
  const clock = createVirtualClock(1_000_000);
  const config = configFromFlags({}).config;
  const telemetry = rememberingTelemetry();
  const endpoints = upstreams.map((upstream) =>
    createEndpoint({
      upstream,
      configName: upstream.name,
      weight: 1,
      location: 'own',
      timeouts: { firstTokenMs: 60_000, totalMs: 600_000 },
      clock,
    }),
  );
  // Endpoints learn what they serve from a change of state.
  for (const upstream of upstreams) upstream.become({});
  let room: WaitingRoom | undefined;
  const faults: unknown[] = [];
  const onWaiting = () => room?.wake();
  const pools = createModelPools({
    config,
    endpoints,
    clock,
    random,
    onWaiting,
    onFault: (fault) => faults.push(fault),
  });
  room = createWaitingRoom({ clock, pools: pools.all, headersAfterMs: 1000, comments: true });
  const path = {
    clock,
    telemetry,
    identifier: createIdentifier(config, createKeyring(config.keys)),
    inFlight: createInFlight(clock),
    admission: createAdmission({
      config,
      pools,
      expected: createExpectedCompletion(),
      rateLimits: createRateLimits(clock),
      clock,
    }),
    retries: createRetries(0.2, clock, random),
  };
  let calls = 0;
  return {
    clock,
    telemetry,
    pools,
    faults,
    call(options: Partial<FakeCallOptions> = {}) {
      calls += 1;
      const call = fakeCall({ atMs: clock.now(), id: `req_${calls}`, ...options });
      return { call, answer: call.answer, done: handleRequest(path, call) };
    },
  };
}

/** Lets everything that is ready to run do so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

const refused = new UnbusyError('upstream_unavailable', 'upstream_busy', 'full', {
  retryAfterMs: 300,
});
const broken = new UnbusyError('upstream_failed', 'upstream_cut', 'reset');

test('a request is answered and settled once, with its story', async () => {
  const upstream = new FakeUpstream('a');
  const { call, telemetry } = setUp([upstream]);
  const { answer, done } = call();
  (await upstream.attempt(1)).answer('42');
  await done;
  assert.equal(answer.text, '42');
  assert.equal(answer.endings, 1);
  assert.equal(answer.head?.headers['x-unbusy-endpoint'], 'a');
  assert.equal(answer.head?.headers['x-unbusy-attempts'], '1');
  assert.equal(telemetry.settled.length, 1);
  assert.equal(telemetry.settled[0]?.outcome, 'completed');
  assert.deepEqual(telemetry.settled[0]?.attempts, [
    { endpoint: 'a', result: 'complete', durationMs: 0 },
  ]);
});

test('an undecodable request is refused before there is a reply', async () => {
  const { call, telemetry } = setUp([new FakeUpstream('a')]);
  const fault = new UnbusyError('invalid_request', 'invalid_json', 'no JSON');
  const { call: refusedCall, answer, done } = call({ fault });
  await done;
  assert.equal(refusedCall.refused, fault);
  assert.equal(answer.endings, 0);
  assert.equal(telemetry.settled[0]?.outcome, 'refused');
  assert.equal(telemetry.settled[0]?.status, 400);
});

test('an unknown model is a 404 that says how to map it', async () => {
  const { call } = setUp([new FakeUpstream('a')]);
  const { answer, done } = call({ request: { model: 'deepseek-r1' } });
  await done;
  assert.equal(answer.failure?.code, 'model_not_found');
  assert.match(answer.failure?.message ?? '', /models:.*--upstream/);
});

test('requests beyond the capacity wait in order and are told where they stand (D3)', async () => {
  const upstream = new FakeUpstream('a');
  const { call, clock } = setUp([upstream]);
  const first = call();
  const second = call();
  const third = call();
  await settle();
  assert.equal(upstream.attempts.length, 1);
  clock.advance(1500);
  assert.equal(second.answer.begun, true);
  assert.match(second.answer.comments.at(-1) ?? '', /^queued position=1 eta_ms=\d+$/);
  assert.match(third.answer.comments.at(-1) ?? '', /^queued position=2 eta_ms=\d+$/);
  (await upstream.attempt(1)).answer('one');
  await first.done;
  (await upstream.attempt(2)).answer('two');
  await second.done;
  (await upstream.attempt(3)).answer('three');
  await third.done;
  assert.equal(third.answer.text, 'three');
  assert.match(third.answer.ended?.comment ?? '', /^unbusy endpoint=a queue_ms=1500 attempts=1$/);
});

test('comments come at most twice a second and at least every ten seconds', async () => {
  const upstream = new FakeUpstream('a');
  const { call, clock } = setUp([upstream]);
  const first = call();
  await settle();
  clock.advance(31_000);
  const { comments } = first.answer;
  assert.ok(comments.length >= 3 && comments.length <= 4, `${comments.length} comments`);
  assert.ok(comments.every((comment) => comment === 'processing'));
  (await upstream.attempt(1)).answer('x');
  await first.done;
  clock.advance(60_000);
  assert.equal(first.answer.comments.length, comments.length);
});

test('a caller who leaves the queue is gone from it; one who leaves an attempt stops the engine (B4)', async () => {
  const upstream = new FakeUpstream('a');
  const { call, telemetry, pools } = setUp([upstream]);
  const running = call();
  const waiting = call();
  await settle();
  waiting.answer.leave();
  await waiting.done;
  assert.equal(pools.find('m').depth, 0);
  running.answer.leave();
  await running.done;
  assert.equal(upstream.attempts[0]?.aborted, true);
  assert.deepEqual(
    telemetry.settled.map(({ outcome }) => outcome),
    ['cancelled', 'cancelled'],
  );
});

test('not placed is not failed: the request goes to another endpoint, or waits for this one', async () => {
  const a = new FakeUpstream('a');
  const b = new FakeUpstream('b', { state: 'starting' });
  const { call, clock } = setUp([a, b]);
  const { answer, done } = call();
  (await a.attempt(1)).fail({ error: refused });
  await settle();
  assert.equal(a.attempts.length, 1, 'it rests as long as it asked to');
  clock.advance(400);
  (await a.attempt(2)).fail({ error: refused });
  b.become({ state: 'ready' });
  (await b.attempt(1)).answer('from b');
  await done;
  assert.equal(answer.text, 'from b');
  assert.equal(answer.head?.headers['x-unbusy-attempts'], '3');
});

test('an attempt that dies before content is repeated without the caller noticing (E4)', async () => {
  const a = new FakeUpstream('a');
  const { call, clock } = setUp([a]);
  const { answer, done } = call();
  const first = await a.attempt(1);
  first.handler.onStart({ form: 'events', streaming: true });
  first.fail({ stage: 'started', error: broken });
  await settle();
  clock.advance(10_000);
  (await a.attempt(2)).answer('42');
  await done;
  assert.equal(answer.text, '42');
  assert.equal(answer.failure, undefined);
});

test('a stream that breaks after content ends in an error, never in silence', async () => {
  const a = new FakeUpstream('a');
  const { call, telemetry } = setUp([a]);
  const { answer, done } = call();
  const first = await a.attempt(1);
  first.handler.onStart({ form: 'events', streaming: true });
  first.say('4');
  first.fail({ stage: 'streaming', error: broken });
  await done;
  assert.equal(answer.failure?.code, 'upstream_cut');
  assert.equal(answer.ended, undefined);
  assert.equal(telemetry.settled[0]?.outcome, 'interrupted');
  assert.equal(answer.failure?.details.attempts?.length, 1);
});

test('an upstream that ends without a finish reason has not completed', async () => {
  const a = new FakeUpstream('a');
  const { call } = setUp([a]);
  const { answer, done } = call();
  const first = await a.attempt(1);
  first.handler.onStart({ form: 'events', streaming: true });
  first.say('4');
  first.handler.onEnd({});
  await done;
  assert.equal(answer.failure?.code, 'upstream_cut');
});

test("the caller's own fault is told and not repeated", async () => {
  const a = new FakeUpstream('a');
  const { call } = setUp([a]);
  const { answer, done } = call();
  const error = new UnbusyError('invalid_request', 'invalid_request', 'bad temperature');
  (await a.attempt(1)).fail({ error, callerFault: true });
  await done;
  assert.equal(answer.failure?.code, 'invalid_request');
  assert.equal(a.attempts.length, 1);
});

test('a deadline that passes in the queue expires the request', async () => {
  const a = new FakeUpstream('a', { state: 'starting' });
  const { call, clock, telemetry } = setUp([a]);
  const { answer, done } = call({ headers: { 'x-unbusy-deadline-ms': '5000' } });
  await settle();
  clock.advance(5010);
  await done;
  assert.equal(answer.failure?.code, 'deadline_exceeded');
  assert.equal(telemetry.settled[0]?.outcome, 'expired');
});

test('a wait that would break the deadline is refused at once, with the time (D3)', async () => {
  const a = new FakeUpstream('a');
  const { call, clock } = setUp([a]);
  const first = call();
  (await a.attempt(1)).handler.onStart({ form: 'events', streaming: true });
  clock.advance(20_000);
  const late = call({ headers: { 'x-unbusy-deadline-ms': '100' } });
  await late.done;
  assert.equal(late.answer.failure?.code, 'overloaded');
  assert.ok((late.answer.failure?.details.retryAfterMs ?? 0) > 100);
  first.answer.leave();
  await first.done;
});

test('a prompt that does not fit says how many tokens were given and how many fit', async () => {
  const a = new FakeUpstream('a');
  a.size = { promptTokens: 5000, contextTokens: 2048 };
  const { call } = setUp([a]);
  const { answer, done } = call();
  await done;
  assert.equal(answer.failure?.code, 'context_length_exceeded');
  assert.deepEqual(answer.failure?.details.facts, { prompt_tokens: 5000, context_tokens: 2048 });
});

test('when every endpoint is down the caller hears why, at once', async () => {
  const a = new FakeUpstream('a');
  const { call } = setUp([a]);
  a.become({ state: 'down', reason: 'connection refused' });
  const { answer, done } = call();
  await done;
  assert.equal(answer.failure?.code, 'upstream_unavailable');
  assert.match(answer.failure?.message ?? '', /a: connection refused/);
});

test('a slow caller stops the reading upstream until it has caught up', async () => {
  const a = new FakeUpstream('a');
  const { call } = setUp([a]);
  const { answer, done } = call();
  const attempt = await a.attempt(1);
  attempt.handler.onStart({ form: 'events', streaming: true });
  answer.unsentBytes = 300_000;
  attempt.say('much');
  assert.equal(attempt.paused, true);
  answer.drain();
  assert.equal(attempt.paused, false);
  attempt.end();
  await done;
});

test('no first token in time is a time-out that names itself, and is repeated elsewhere', async () => {
  const a = new FakeUpstream('a');
  const { call, clock, telemetry } = setUp([a]);
  const { answer, done } = call({ headers: { 'x-unbusy-deadline-ms': '600000' } });
  (await a.attempt(1)).handler.onStart({ form: 'events', streaming: true });
  clock.advance(60_010);
  await settle();
  assert.equal(a.attempts[0]?.aborted, true);
  clock.advance(10_000);
  (await a.attempt(2)).answer('late');
  await done;
  assert.equal(answer.text, 'late');
  assert.equal(telemetry.settled[0]?.attempts[0]?.result, 'upstream_timeout_first_token');
});

test('a repetition with the same Idempotency-Key joins the request in flight', async () => {
  const a = new FakeUpstream('a');
  const { call, telemetry } = setUp([a]);
  const headers = { 'idempotency-key': 'k1' };
  const first = call({ id: 'r1', headers });
  const attempt = await a.attempt(1);
  attempt.handler.onStart({ form: 'events', streaming: true });
  attempt.say('4');
  const second = call({ id: 'r1', headers });
  await settle();
  first.answer.leave();
  attempt.say('2');
  attempt.end();
  await Promise.all([first.done, second.done]);
  assert.equal(second.answer.text, '42');
  assert.equal(a.attempts.length, 1);
  assert.deepEqual(telemetry.settled.map(({ outcome }) => outcome).sort(), [
    'coalesced',
    'completed',
  ]);
});

test('an Idempotency-Key in use for another request is refused', async () => {
  const a = new FakeUpstream('a', { concurrencyMax: 2 });
  const { call } = setUp([a]);
  const headers = { 'idempotency-key': 'k1' };
  const first = call({ headers });
  await a.attempt(1);
  const second = call({ headers, request: { inputs: [{ kind: 'text', text: 'other' }] } });
  await second.done;
  assert.equal(second.answer.failure?.details.param, 'idempotency-key');
  (await a.attempt(1)).answer('x');
  await first.done;
});

test('a keyed request whose caller has left goes on for the grace period only', async () => {
  const a = new FakeUpstream('a');
  const { call, clock } = setUp([a]);
  const only = call({ headers: { 'idempotency-key': 'k1' } });
  const attempt = await a.attempt(1);
  only.answer.leave();
  await settle();
  assert.equal(attempt.aborted, false);
  clock.advance(10_010);
  await only.done;
  assert.equal(attempt.aborted, true);
});

test('a caller who was refused and comes back keeps its place before those who came later (D3)', async () => {
  const a = new FakeUpstream('a');
  const { call, clock } = setUp([a]);
  const running = call();
  (await a.attempt(1)).handler.onStart({ form: 'events', streaming: true });
  clock.advance(20_000);
  const wish = (ms: number) => ({ 'x-unbusy-deadline-ms': String(ms) });
  const request = { inputs: [{ kind: 'text' as const, text: 'mine' }] };
  const refusedOnce = call({ headers: wish(100), request });
  await refusedOnce.done;
  assert.equal(refusedOnce.answer.failure?.code, 'overloaded');
  clock.advance(1000);
  const later = call({
    headers: wish(600_000),
    request: { inputs: [{ kind: 'text', text: 'x' }] },
  });
  clock.advance(1000);
  const back = call({ headers: wish(600_000), request });
  await settle();
  running.answer.leave();
  const next = await a.attempt(2);
  assert.deepEqual(next.request.inputs, request.inputs);
  next.answer('first again');
  (await a.attempt(3)).answer('then the other');
  await Promise.all([running.done, later.done, back.done]);
  assert.equal(back.answer.text, 'first again');
});

test('a policy that throws is not an outage: the request is relayed plainly, the fault counted', async () => {
  const a = new FakeUpstream('a');
  const broken = {
    next(): number {
      throw new Error('a bug in a policy');
    },
  };
  const { call, faults } = setUp([a], broken);
  const { answer, done } = call();
  (await a.attempt(1)).answer('42');
  await done;
  assert.equal(answer.text, '42');
  assert.match(String(faults[0]), /a bug in a policy/);
});
