import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStopPolicy } from './stop-signals.ts';

test('J1: the first signal drains; the copies that npm and a terminal send are the same one', () => {
  const decide = createStopPolicy();
  assert.deepEqual(decide('SIGINT', 5000), { kind: 'drain' });
  assert.deepEqual(decide('SIGINT', 5003), { kind: 'ignore' });
  assert.deepEqual(decide('SIGTERM', 6000), { kind: 'ignore' });
});

test('J1: a second signal more than a second later exits at once with the code of its kind', () => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const decide = createStopPolicy();
    decide('SIGTERM', 0);
    assert.deepEqual(decide(signal, 1001), { kind: 'exit', code });
  }
});
