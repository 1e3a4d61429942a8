import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnbusyError } from '../core/errors.ts';
import { openAiTypeOf, retryHeaders, statusOf } from './wire-errors.ts';

const noSpread = { next: () => 0 };

test('a code may be more precise than its kind', () => {
  const of = (code: string) => statusOf(new UnbusyError('invalid_request', code, ''));
  assert.equal(of('invalid_json'), 400);
  assert.equal(of('method_not_allowed'), 405);
  assert.equal(of('unsupported_encoding'), 415);
  const unknown = new UnbusyError('rate_limited', 'a_code_of_an_upstream', '');
  assert.equal(statusOf(unknown), 429);
  assert.equal(openAiTypeOf(unknown), 'rate_limit_error');
});

test('the time to come back is rounded up and capped at what clients honour', () => {
  const after = (retryAfterMs: number, random = noSpread) =>
    retryHeaders(new UnbusyError('overloaded', 'overloaded', '', { retryAfterMs }), random);
  assert.deepEqual(after(1), { 'retry-after': '1', 'retry-after-ms': '1' });
  assert.deepEqual(after(2500), { 'retry-after': '3', 'retry-after-ms': '2500' });
  assert.deepEqual(after(3_600_000), { 'retry-after': '50', 'retry-after-ms': '50000' });
});

test('with the spread it is never longer than clients honour', () => {
  const error = new UnbusyError('overloaded', 'overloaded', '', { retryAfterMs: 3_600_000 });
  assert.equal(retryHeaders(error, { next: () => 1 - Number.EPSILON })['retry-after-ms'], '60000');
});

test('callers refused together are spread over a fifth of their wait', () => {
  const error = new UnbusyError('overloaded', 'overloaded', '', { retryAfterMs: 10_000 });
  assert.equal(retryHeaders(error, { next: () => 0.5 })['retry-after-ms'], '11000');
});

test('only where repeating can never help are clients told not to', () => {
  const headers = (error: UnbusyError) => retryHeaders(error, noSpread)['x-should-retry'];
  assert.equal(headers(new UnbusyError('invalid_request', 'invalid_json', '')), 'false');
  assert.equal(headers(new UnbusyError('overloaded', 'overloaded', '')), undefined);
  const hopeless = new UnbusyError('overloaded', 'overloaded', '', { retryable: false });
  assert.equal(headers(hopeless), 'false');
});
