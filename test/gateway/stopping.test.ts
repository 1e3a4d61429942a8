/** What callers hear when the program stops, and what only some may hear. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyHash } from '../../src/config/key-hash.ts';
import { type Config, configFromFlags } from '../../src/config/load.ts';
import { UnbusyError } from '../../src/core/errors.ts';
import { createRandom } from '../../src/core/random.ts';
import { FakeUpstream } from './fakes.ts';
import { settle, setUpPath } from './set-up-path.ts';

const draining = new UnbusyError('draining', 'draining', 'stopping');
const broken = new UnbusyError('upstream_failed', 'upstream_cut', 'reset');

test('J1: a drain that lasts too long tells everyone who still waits or is being answered', async () => {
  const a = new FakeUpstream('a');
  const { call, stop, telemetry } = setUpPath([a]);
  const running = call();
  const waiting = call();
  const attempt = await a.attempt(1);
  attempt.handler.onStart({ form: 'events', streaming: true });
  attempt.say('4');
  stop(draining);
  await Promise.all([running.done, waiting.done]);
  assert.equal(attempt.aborted, true);
  assert.equal(running.answer.failure?.code, 'draining');
  assert.equal(waiting.answer.failure?.code, 'draining');
  assert.deepEqual(telemetry.settled.map(({ outcome }) => outcome).sort(), [
    'interrupted',
    'refused',
  ]);
});

test('a request that is stopped before it has a ticket ends the same way', async () => {
  const a = new FakeUpstream('a');
  const { call, stop } = setUpPath([a]);
  const { answer, done } = call();
  stop(draining);
  await done;
  assert.equal(answer.failure?.code, 'draining');
  assert.equal(a.attempts.length, 0);
});

test('endpoint names are told to keys with the debug scope only', async () => {
  const keys = (['infer', 'debug'] as const).map((scope) => ({
    id: scope,
    tenant: 'default',
    hash: keyHash(`ub_${scope}_0123456789abcdef0123456789abcdef`),
    scopes: [...new Set(['infer' as const, scope])],
  }));
  const config: Config = { ...configFromFlags({}).config, keys };
  const a = new FakeUpstream('secret-host', { concurrencyMax: 2 });
  const { call } = setUpPath([a], createRandom(1), config);
  const as = (scope: string) => ({
    headers: { authorization: `Bearer ub_${scope}_0123456789abcdef0123456789abcdef` },
  });
  const plain = call(as('infer'));
  const debug = call(as('debug'));
  await settle();
  for (const { handler } of a.attempts) {
    handler.onStart({ form: 'events', streaming: true });
    handler.onEvents([{ kind: 'delta', choice: 0, channel: 'answer', text: 'x' }]);
    handler.onError({ stage: 'streaming', error: broken, callerFault: false });
  }
  await Promise.all([plain.done, debug.done]);
  assert.equal(plain.answer.failure?.details.attempts?.[0]?.endpoint, 'endpoint 1');
  assert.equal(plain.answer.head?.headers['x-unbusy-endpoint'], undefined);
  assert.equal(debug.answer.failure?.details.attempts?.[0]?.endpoint, 'secret-host');
  assert.equal(debug.answer.head?.headers['x-unbusy-endpoint'], 'secret-host');
});
