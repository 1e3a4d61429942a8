import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decideWaveStart, type WaveOptions } from './wave-start.ts';

const options: WaveOptions = {
  enabled: true,
  maxBatchSize: 32,
  preferredBatchSizes: [8, 16],
  maxQueueDelayMs: 5,
};

test('an idle engine waits for company until the oldest has waited max_queue_delay_ms (C2)', () => {
  const state = { running: 0, waiting: 1, oldestArrivalMs: 100 };
  assert.deepEqual(decideWaveStart(state, options, 100), { kind: 'wait', untilMs: 105 });
  assert.deepEqual(decideWaveStart(state, options, 104.9), { kind: 'wait', untilMs: 105 });
  assert.deepEqual(decideWaveStart(state, options, 105), { kind: 'start' });
});

test('a preferred size starts the wave at once (C2)', () => {
  const state = { running: 0, waiting: 8, oldestArrivalMs: 100 };
  assert.deepEqual(decideWaveStart(state, options, 100), { kind: 'start' });
  assert.equal(decideWaveStart({ ...state, waiting: 7 }, options, 100).kind, 'wait');
});

test('without preferred sizes only a full batch or the delay starts the wave', () => {
  const none = { ...options, preferredBatchSizes: [] };
  const state = { running: 0, waiting: 31, oldestArrivalMs: 100 };
  assert.equal(decideWaveStart(state, none, 100).kind, 'wait');
  assert.equal(decideWaveStart({ ...state, waiting: 32 }, none, 100).kind, 'start');
});

test('once running, requests join at the next step; without batching nobody waits (C2)', () => {
  const state = { running: 1, waiting: 1, oldestArrivalMs: 100 };
  assert.equal(decideWaveStart(state, options, 100).kind, 'start');
  const off = { ...options, enabled: false };
  assert.equal(decideWaveStart({ ...state, running: 0 }, off, 100).kind, 'start');
});

test('property: nobody waits longer than the delay, and the time told is when it starts', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 64 }),
      fc.nat(50),
      fc.nat(100),
      (waiting, delay, after) => {
        const state = { running: 0, waiting, oldestArrivalMs: 1000 };
        const with_ = { ...options, maxQueueDelayMs: delay };
        const decision = decideWaveStart(state, with_, 1000 + after);
        if (after >= delay) assert.equal(decision.kind, 'start');
        if (decision.kind === 'wait') {
          assert.equal(decideWaveStart(state, with_, decision.untilMs).kind, 'start');
        }
      },
    ),
  );
});
