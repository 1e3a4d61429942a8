import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TimerWheel } from './timer-wheel.ts';

const tickMs = 10;

/** Delays that reach every level of the wheel. */
const delay = fc.oneof(
  fc.integer({ min: 0, max: 3_000 }),
  fc.integer({ min: 0, max: 900_000 }),
  fc.integer({ min: 0, max: 400_000_000 }),
);
const step = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), delayMs: delay }),
  fc.record({ kind: fc.constant('cancel' as const), index: fc.nat(40) }),
  fc.record({ kind: fc.constant('advance' as const), ms: delay }),
);

test('fires each timer once, never early, in the order of a sorted list', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(10_000), (steps, startMs) => {
      const wheel = new TimerWheel<number>({ startMs, tickMs });
      let now = startMs;
      const timers: { due: number; open: boolean; cancel: () => void }[] = [];
      for (const s of steps) {
        if (s.kind === 'set') {
          const due = now + s.delayMs;
          const tick = Math.max(
            Math.floor((now - startMs) / tickMs) + 1,
            Math.ceil((due - startMs) / tickMs),
          );
          const timer = wheel.schedule(timers.length, s.delayMs, now);
          timers.push({ due: startMs + tick * tickMs, open: true, cancel: () => timer.cancel() });
        } else if (s.kind === 'cancel') {
          const timer = timers[s.index];
          timer?.cancel();
          if (timer !== undefined) timer.open = false;
        } else {
          now += s.ms;
          const expected = timers
            .map((timer, index) => ({ ...timer, index }))
            .filter((timer) => timer.open && timer.due <= now)
            .sort((a, b) => a.due - b.due || a.index - b.index);
          for (const timer of expected) (timers[timer.index] as { open: boolean }).open = false;
          const fired: [number, number][] = [];
          wheel.advance(now, (item, dueMs) => fired.push([item, dueMs]));
          assert.deepEqual(
            fired,
            expected.map((timer) => [timer.index, timer.due]),
          );
        }
        assert.equal(wheel.size, timers.filter((timer) => timer.open).length);
      }
    }),
    { numRuns: 300 },
  );
});

test('a timer set while firing waits for a later tick, so that none can spin', () => {
  const wheel = new TimerWheel<string>({ startMs: 0, tickMs });
  wheel.schedule('first', 10, 0);
  const fired: string[] = [];
  wheel.advance(10, (item) => {
    fired.push(item);
    wheel.schedule('second', 0, 10);
  });
  assert.deepEqual(fired, ['first']);
  wheel.advance(20, (item) => fired.push(item));
  assert.deepEqual(fired, ['first', 'second']);
});

test('a callback that throws does not lose the timers of its tick', () => {
  const wheel = new TimerWheel<string>({ startMs: 0, tickMs });
  wheel.schedule('bad', 10, 0);
  wheel.schedule('good', 10, 0);
  assert.throws(() =>
    wheel.advance(10, () => {
      throw new Error('bad');
    }),
  );
  const fired: string[] = [];
  wheel.advance(10, (item) => fired.push(item));
  assert.deepEqual(fired, ['good']);
});

test('refuses a delay that it cannot hold', () => {
  const wheel = new TimerWheel<string>({ startMs: 0, tickMs });
  assert.throws(() => wheel.schedule('x', Number.POSITIVE_INFINITY, 0), /out of range/);
  assert.throws(() => wheel.schedule('x', Number.NaN, 0), /out of range/);
  assert.throws(() => wheel.schedule('x', -1, 0), /out of range/);
});
