import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRunningMean } from './running-mean.ts';

test('starts at the prior and leaves it with the first samples', () => {
  const mean = createRunningMean(100);
  assert.equal(mean.value(), 100);
  mean.add(10);
  assert.ok(mean.value() > 10 && mean.value() < 55);
  for (let i = 0; i < 200; i += 1) mean.add(10);
  assert.ok(Math.abs(mean.value() - 10) < 0.1);
});

test('without a prior it is 0 until the first sample, which it then is', () => {
  const mean = createRunningMean();
  assert.equal(mean.value(), 0);
  mean.add(7);
  assert.equal(mean.value(), 7);
});

test('stays within its samples and prior', () => {
  const sample = fc.double({ min: 0, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(sample, fc.array(sample), (prior, samples) => {
      const mean = createRunningMean(prior);
      for (const one of samples) mean.add(one);
      const all = [prior, ...samples];
      const [low, high] = [Math.min(...all), Math.max(...all)];
      const slack = 1e-9 * (1 + high);
      assert.ok(mean.value() >= low - slack && mean.value() <= high + slack);
      assert.ok(mean.withAtLeast(samples) >= mean.value() - slack);
      assert.ok(mean.variation() >= 0);
    }),
  );
});

test('follows a change within some tens of samples', () => {
  const mean = createRunningMean(0);
  for (let i = 0; i < 500; i += 1) mean.add(100);
  for (let i = 0; i < 64; i += 1) mean.add(300);
  assert.ok(mean.value() > 250);
});

test('tells equal samples from scattered ones', () => {
  const equal = createRunningMean(5);
  const scattered = createRunningMean(5);
  for (let i = 0; i < 100; i += 1) {
    equal.add(20);
    scattered.add(-20 * Math.log((i % 10) / 10 + 0.05));
  }
  assert.ok(equal.variation() < 1e-9);
  assert.ok(scattered.variation() > 0.6 && scattered.variation() < 1.2);
});
