/** The life of requests that are answered, that wait, that leave and that are refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnbusyError } from '../../src/core/errors.ts';
import { FakeUpstream } from './fakes.ts';
import { settle, setUpPath } from './set-up-path.ts';

test('a request is answered and settled once, with its story', async () => {
  const upstream = new FakeUpstream('a');
  const { call, telemetry } = setUpPath([upstream]);
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
  const { call, telemetry } = setUpPath([new FakeUpstream('a')]);
  const fault = new UnbusyError('invalid_request', 'invalid_json', 'no JSON');
  const { call: refusedCall, answer, done } = call({ fault });
  await done;
  assert.equal(refusedCall.refused, fault);
  assert.equal(answer.endings, 0);
  assert.equal(telemetry.settled[0]?.outcome, 'refused');
  assert.equal(telemetry.settled[0]?.status, 400);
});

test('an unknown model is a 404 that says how to map it', async () => {
  const { call } = setUpPath([new FakeUpstream('a')]);
  const { answer, done } = call({ request: { model: 'deepseek-r1' } });
  await done;
  assert.equal(answer.failure?.code, 'model_not_found');
  assert.match(answer.failure?.message ?? '', /models:.*--upstream/);
});

test('requests beyond the capacity wait in order and are told where they stand (D3)', async () => {
  const upstream = new FakeUpstream('a');
  const { call, clock } = setUpPath([upstream]);
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
  const { call, clock } = setUpPath([upstream]);
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
  const { call, telemetry, pools } = setUpPath([upstream]);
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

test('a deadline that passes in the queue expires the request', async () => {
  const a = new FakeUpstream('a', { state: 'starting' });
  const { call, clock, telemetry } = setUpPath([a]);
  const { answer, done } = call({ headers: { 'x-unbusy-deadline-ms': '5000' } });
  await settle();
  clock.advance(5010);
  await done;
  assert.equal(answer.failure?.code, 'deadline_exceeded');
  assert.equal(telemetry.settled[0]?.outcome, 'expired');
});

test('a wait that would break the deadline is refused at once, with the time (D3)', async () => {
  const a = new FakeUpstream('a');
  const { call, clock } = setUpPath([a]);
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
  const { call } = setUpPath([a]);
  const { answer, done } = call();
  await done;
  assert.equal(answer.failure?.code, 'context_length_exceeded');
  assert.deepEqual(answer.failure?.details.facts, { prompt_tokens: 5000, context_tokens: 2048 });
});

test('when every endpoint is down the caller hears why, at once', async () => {
  const a = new FakeUpstream('a');
  const { call } = setUpPath([a]);
  a.become({ state: 'down', reason: 'connection refused' });
  const { answer, done } = call();
  await done;
  assert.equal(answer.failure?.code, 'upstream_unavailable');
  assert.match(answer.failure?.message ?? '', /a: connection refused/);
});

test('a repetition with the same Idempotency-Key joins the request in flight', async () => {
  const a = new FakeUpstream('a');
  const { call, telemetry } = setUpPath([a]);
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
  const { call } = setUpPath([a]);
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
  const { call, clock } = setUpPath([a]);
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
  const { call, clock } = setUpPath([a]);
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
