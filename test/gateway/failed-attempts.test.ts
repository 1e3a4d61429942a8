/** What becomes of a request whose attempt on an endpoint goes wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnbusyError } from '../../src/core/errors.ts';
import { FakeUpstream } from './fakes.ts';
import { settle, setUpPath } from './set-up-path.ts';

const refused = new UnbusyError('upstream_unavailable', 'upstream_busy', 'full', {
  retryAfterMs: 300,
});
const broken = new UnbusyError('upstream_failed', 'upstream_cut', 'reset');

test('not placed is not failed: the request goes to another endpoint, or waits for this one', async () => {
  const a = new FakeUpstream('a');
  const b = new FakeUpstream('b', { state: 'starting' });
  const { call, clock } = setUpPath([a, b]);
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
  const { call, clock } = setUpPath([a]);
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
  const { call, telemetry } = setUpPath([a]);
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
  const { call } = setUpPath([a]);
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
  const { call } = setUpPath([a]);
  const { answer, done } = call();
  const error = new UnbusyError('invalid_request', 'invalid_request', 'bad temperature');
  (await a.attempt(1)).fail({ error, callerFault: true });
  await done;
  assert.equal(answer.failure?.code, 'invalid_request');
  assert.equal(a.attempts.length, 1);
});

test('a slow caller stops the reading upstream until it has caught up', async () => {
  const a = new FakeUpstream('a');
  const { call } = setUpPath([a]);
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
  const { call, clock, telemetry } = setUpPath([a]);
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

test('a policy that throws is not an outage: the request is relayed plainly, the fault counted', async () => {
  const a = new FakeUpstream('a');
  const broken = {
    next(): number {
      throw new Error('a bug in a policy');
    },
  };
  const { call, faults } = setUpPath([a], broken);
  const { answer, done } = call();
  (await a.attempt(1)).answer('42');
  await done;
  assert.equal(answer.text, '42');
  assert.match(String(faults[0]), /a bug in a policy/);
});

test('a deadline that passes after failed attempts tells why they failed and what was tried (A2)', async () => {
  const a = new FakeUpstream('a');
  const { call, clock } = setUpPath([a]);
  const { answer, done } = call({ headers: { 'x-unbusy-deadline-ms': '500' } });
  (await a.attempt(1)).fail({ error: refused });
  await settle();
  clock.advance(310);
  (await a.attempt(2)).fail({ error: refused });
  await settle();
  clock.advance(200);
  await done;
  assert.equal(answer.failure?.code, 'upstream_busy');
  assert.equal(answer.failure?.details.retryAfterMs, 300);
  assert.equal(answer.failure?.details.attempts?.length, 2);
});

test('an endpoint that asks for no rest is given a little one', async () => {
  const a = new FakeUpstream('a');
  const { call, clock } = setUpPath([a]);
  const { answer, done } = call();
  const hasty = new UnbusyError('overloaded', 'upstream_busy', 'full', { retryAfterMs: 0 });
  (await a.attempt(1)).fail({ error: hasty });
  await settle();
  clock.advance(20);
  await settle();
  assert.equal(a.attempts.length, 1);
  clock.advance(40);
  (await a.attempt(2)).answer('42');
  await done;
  assert.equal(answer.text, '42');
});

test('an upstream that throws costs one request and no place on the endpoint', async () => {
  const a = new FakeUpstream('a');
  const { call, clock } = setUpPath([a]);
  const { dispatch } = a;
  a.dispatch = () => {
    throw new Error('a bug in an upstream');
  };
  const faulty = call();
  await faulty.done;
  assert.equal(faulty.answer.failure?.code, 'internal');
  a.dispatch = dispatch;
  const next = call();
  (await a.attempt(1)).answer('42');
  await next.done;
  assert.equal(next.answer.text, '42');
  // Nothing of the first one is left that could still go off.
  clock.advance(3_600_000);
  assert.equal(faulty.answer.endings, 1);
});

test('while the only endpoint rests longer than the deadline, newcomers are told at once (D3)', async () => {
  const a = new FakeUpstream('a');
  const { call, clock } = setUpPath([a]);
  const first = call();
  const resting = new UnbusyError('overloaded', 'upstream_busy', 'full', { retryAfterMs: 30_000 });
  (await a.attempt(1)).fail({ error: resting });
  await settle();
  clock.advance(10_000);
  const late = call({ headers: { 'x-unbusy-deadline-ms': '3000' } });
  await late.done;
  assert.equal(late.answer.failure?.code, 'overloaded');
  assert.equal(late.answer.failure?.details.retryAfterMs, 20_000);
  clock.advance(20_100);
  (await a.attempt(2)).answer('42');
  await first.done;
  assert.equal(first.answer.text, '42');
});

test('an endpoint that its operator has to mend is left alone, and the caller hears it at once if it is the only one', async () => {
  const wrongKey = new UnbusyError('upstream_failed', 'upstream_failed', 'key not accepted', {
    retryable: false,
  });
  const a = new FakeUpstream('a');
  const alone = setUpPath([a]);
  const only = alone.call();
  (await a.attempt(1)).fail({ error: wrongKey });
  await only.done;
  assert.match(only.answer.failure?.message ?? '', /key not accepted/);
  assert.equal(a.attempts.length, 1);

  const [bad, good] = [new FakeUpstream('bad'), new FakeUpstream('good', { state: 'starting' })];
  const pair = setUpPath([bad, good]);
  const lucky = pair.call();
  (await bad.attempt(1)).fail({ error: wrongKey });
  await settle();
  pair.clock.advance(20_000);
  good.become({ state: 'ready' });
  (await good.attempt(1)).answer('42');
  await lucky.done;
  assert.equal(lucky.answer.text, '42');
  assert.equal(bad.attempts.length, 1);
});
