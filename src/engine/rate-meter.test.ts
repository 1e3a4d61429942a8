import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRateMeter } from './rate-meter.ts';

test('the rate is the mean over five seconds and forgets what is older', () => {
  const meter = createRateMeter();
  for (let second = 0; second < 5; second++) meter.add(100, 1_000_000 + second * 1000);
  assert.equal(meter.perSecond(1_004_999), 100);
  assert.equal(meter.perSecond(1_006_000), 60);
  assert.equal(meter.perSecond(1_020_000), 0);
  meter.add(10, 1_020_500);
  assert.equal(meter.perSecond(1_020_900), 2);
});
