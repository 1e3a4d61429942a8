import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRandom } from '../../core/random.ts';
import { type Arrival, decideOnArrival, retryAfterWire } from './refusal.ts';

const calm: Arrival = {
  predictedWaitMs: 0,
  deadlineMs: 60_000,
  classMaxWaitMs: 60_000,
  queueFull: false,
};

const cases: [string, Partial<Arrival>, string][] = [
  ['no wait', {}, 'admit'],
  ['a wait that just fits', { predictedWaitMs: 60_000 }, 'admit'],
  ['a wait over the deadline', { predictedWaitMs: 5_001, deadlineMs: 5_000 }, 'deadline'],
  ['a wait over the class limit', { predictedWaitMs: 9, classMaxWaitMs: 8 }, 'class_limit'],
  ['a deadline that has passed', { predictedWaitMs: 0, deadlineMs: -1 }, 'deadline'],
  ['a full queue', { queueFull: true }, 'queue_full'],
  ['no capacity at all', { predictedWaitMs: Number.POSITIVE_INFINITY }, 'deadline'],
];
for (const [name, over, expected] of cases) {
  test(`D3: ${name}: ${expected}`, () => {
    const decision = decideOnArrival({ ...calm, ...over });
    assert.equal(decision.kind === 'admit' ? 'admit' : decision.because, expected);
  });
}

test('D3: a refusal says the true wait, however long, and never less than a second', () => {
  const long = decideOnArrival({ ...calm, predictedWaitMs: 3_600_000 });
  assert.ok(long.kind === 'refuse');
  assert.equal(long.waitMs, 3_600_000);
  assert.equal(long.retryAfterMs, 3_600_000);
  const full = decideOnArrival({ ...calm, queueFull: true });
  assert.ok(full.kind === 'refuse');
  assert.equal(full.retryAfterMs, 1_000);
});

test('retry headers are spread by up to 20 %, agree, and stay within what SDKs obey', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.constant(Infinity)),
      fc.integer(),
      (waitMs, seed) => {
        const wire = retryAfterWire(waitMs, createRandom(seed));
        assert.ok(Number.isInteger(wire.retryAfterMs));
        assert.ok(wire.retryAfterMs <= 60_000 && wire.retryAfterSeconds <= 60);
        assert.equal(wire.retryAfterSeconds, Math.ceil(wire.retryAfterMs / 1_000));
        const floor = Math.min(waitMs, 50_000);
        assert.ok(wire.retryAfterMs >= floor && wire.retryAfterMs <= Math.ceil(floor * 1.2));
      },
    ),
  );
});
