import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UnbusyError } from '../../core/errors.ts';
import { readCallerWishes, type WishesInput } from './deadlines.ts';

function read(over: Partial<WishesInput> = {}) {
  return readCallerWishes({ headers: {}, tenantClass: 'interactive', ...over });
}

test('without a word from the caller the tenant and its class decide', () => {
  const deadline = { interactive: 60_000, standard: 600_000, batch: 86_400_000 };
  for (const tenantClass of ['interactive', 'standard', 'batch'] as const) {
    assert.deepEqual(read({ tenantClass }), {
      requestClass: tenantClass,
      askedFor: undefined,
      deadlineMs: deadline[tenantClass],
      session: undefined,
    });
  }
});

const classes: [string, Partial<WishesInput>, string][] = [
  ['the header', { headers: { 'x-unbusy-class': 'batch' } }, 'batch'],
  [
    'the header before service_tier',
    { headers: { 'x-unbusy-class': 'standard' }, body: { service_tier: 'flex' } },
    'standard',
  ],
  ['service_tier flex', { body: { service_tier: 'flex' } }, 'batch'],
  ['service_tier priority', { body: { service_tier: 'priority' } }, 'interactive'],
  ['service_tier auto', { body: { service_tier: 'auto' }, tenantClass: 'standard' }, 'standard'],
  ['service_tier null', { body: { service_tier: null } }, 'interactive'],
];
for (const [name, input, expected] of classes) {
  test(`class by ${name}: ${expected}`, () => {
    assert.equal(read(input).requestClass, expected);
  });
}

test('a caller cannot raise itself above its tenant, and can see that it tried', () => {
  const wishes = read({
    headers: { 'x-unbusy-class': 'interactive' },
    tenantClass: 'standard',
  });
  assert.equal(wishes.requestClass, 'standard');
  assert.equal(wishes.askedFor, 'interactive');
  assert.equal(wishes.deadlineMs, 600_000);
});

const deadlines: [string, Record<string, string>, number][] = [
  ['our header', { 'x-unbusy-deadline-ms': '1500' }, 1_500],
  ['our header first', { 'x-unbusy-deadline-ms': '1500', 'x-stainless-timeout': '9' }, 1_500],
  ['the SDK in seconds', { 'x-stainless-timeout': '600' }, 600_000],
  ['an SDK time-out under a second', { 'x-stainless-timeout': '0' }, 1_000],
];
for (const [name, headers, expected] of deadlines) {
  test(`deadline by ${name}: ${expected} ms`, () => {
    assert.equal(read({ headers }).deadlineMs, expected);
  });
}

test('session by header, then by prompt_cache_key', () => {
  const body = { prompt_cache_key: 'key' };
  assert.equal(read({ headers: { 'x-unbusy-session': 's1' }, body }).session, 's1');
  assert.equal(read({ body }).session, 'key');
  assert.equal(read({ body: { prompt_cache_key: '' } }).session, undefined);
});

const bad: [string, Partial<WishesInput>][] = [
  ['x-unbusy-class', { headers: { 'x-unbusy-class': 'vip' } }],
  ['x-unbusy-class', { headers: { 'x-unbusy-class': ['batch', 'batch'] } }],
  ['service_tier', { body: { service_tier: 'gold' } }],
  ['service_tier', { body: { service_tier: 'constructor' } }],
  ['service_tier', { body: { service_tier: 7 } }],
  ['x-unbusy-deadline-ms', { headers: { 'x-unbusy-deadline-ms': 'soon' } }],
  ['x-unbusy-deadline-ms', { headers: { 'x-unbusy-deadline-ms': '0' } }],
  ['x-unbusy-deadline-ms', { headers: { 'x-unbusy-deadline-ms': '1e3' } }],
  ['x-unbusy-deadline-ms', { headers: { 'x-unbusy-deadline-ms': '604800001' } }],
  ['x-stainless-timeout', { headers: { 'x-stainless-timeout': 'never' } }],
  ['x-unbusy-session', { headers: { 'x-unbusy-session': 'x'.repeat(257) } }],
  ['prompt_cache_key', { body: { prompt_cache_key: { a: 1 } } }],
];
for (const [param, input] of bad) {
  test(`a bad ${param} is refused by name: ${JSON.stringify(input).slice(0, 60)}`, () => {
    assert.throws(
      () => read(input),
      (error) =>
        error instanceof UnbusyError &&
        error.kind === 'invalid_request' &&
        error.details.param === param &&
        error.message.includes(param) &&
        error.message.length < 250,
    );
  });
}

test('whatever the headers say, the answer is a sane deadline or an invalid_request', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (deadline, timeout, requestClass) => {
      const headers = {
        'x-unbusy-deadline-ms': deadline,
        'x-stainless-timeout': timeout,
        'x-unbusy-class': requestClass,
      };
      try {
        const { deadlineMs } = read({ headers });
        assert.ok(deadlineMs >= 1 && deadlineMs <= 7 * 86_400_000);
      } catch (error) {
        assert.ok(error instanceof UnbusyError);
        assert.equal(error.kind, 'invalid_request');
      }
    }),
  );
});
