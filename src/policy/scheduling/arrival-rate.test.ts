import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createArrivalRate } from './arrival-rate.ts';

test('tells a steady rate soon after its beginning and for ever', () => {
  const rate = createArrivalRate();
  for (let now = 1e12; now < 1e12 + 600_000; now += 100) {
    rate.add(50, now);
    if (now >= 1e12 + 10_000) {
      assert.ok(Math.abs(rate.perMs(now + 50) / 0.5 - 1) < 0.02, `${rate.perMs(now)} at ${now}`);
    }
  }
});

test('fades when nothing comes any more, and is 0 before anything came', () => {
  const rate = createArrivalRate();
  assert.equal(rate.perMs(5), 0);
  for (let now = 0; now < 120_000; now += 100) rate.add(50, now);
  assert.ok(rate.perMs(420_000) < 0.01);
});
