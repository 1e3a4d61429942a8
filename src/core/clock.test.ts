import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSystemClock, createVirtualClock } from './clock.ts';

test('the virtual clock shows each callback its own due time', () => {
  const clock = createVirtualClock(1_000);
  const seen: [string, number][] = [];
  clock.setTimer(25, () => seen.push(['b', clock.now()]));
  clock.setTimer(5, () => {
    seen.push(['a', clock.now()]);
    clock.setTimer(10, () => seen.push(['c', clock.now()]));
  });
  clock.setTimer(5_000, () => seen.push(['never', clock.now()]));
  clock.advance(100);
  assert.deepEqual(seen, [
    ['a', 1_010],
    ['c', 1_020],
    ['b', 1_030],
  ]);
  assert.equal(clock.now(), 1_100);
  assert.equal(clock.pending, 1);
});

test('the virtual clock skips a day quickly and still in order', () => {
  const clock = createVirtualClock(0);
  const seen: number[] = [];
  for (const hours of [24, 1, 12]) clock.setTimer(hours * 3_600_000, () => seen.push(hours));
  clock.advance(86_400_000);
  assert.deepEqual(seen, [1, 12, 24]);
});

test('the system clock never goes back, and fires in order of delay but not what was cancelled', async () => {
  const clock = createSystemClock();
  const before = clock.now();
  assert.ok(Math.abs(before - Date.now()) < 60_000);
  const seen: string[] = [];
  // Its timers do not keep the process alive; this one does.
  const alive = setInterval(() => {}, 1_000);
  await new Promise<void>((resolve) => {
    clock.setTimer(30, () => {
      seen.push('late');
      resolve();
    });
    clock.setTimer(0, () => seen.push('soon'));
    clock.setTimer(10, () => seen.push('cancelled')).cancel();
  });
  clearInterval(alive);
  assert.deepEqual(seen, ['soon', 'late']);
  assert.ok(clock.now() >= before + 30);
});
