import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRandom } from '../../../core/random.ts';
import {
  type ConcurrencyOptions,
  type ConcurrencyPolicy,
  createConcurrencyPolicy,
} from './concurrency-policy.ts';

interface Engine {
  /** Time to first token with `inFlight` requests on it, before noise. */
  readonly latencyMs: (inFlight: number) => number;
  readonly loadRatio?: (inFlight: number) => number;
  /** More than this is refused. */
  readonly room?: number;
}

/** Serves rounds of as many requests as the limit allows (or as there are); limits by round. */
function serve(
  policy: ConcurrencyPolicy,
  engine: Engine,
  settings: { rounds: number; callers?: number; startMs?: number },
): number[] {
  const random = createRandom(5);
  const limits: number[] = [];
  let now = settings.startMs ?? 0;
  for (let round = 0; round < settings.rounds; round += 1) {
    const inFlight = Math.min(policy.limit, settings.callers ?? 1_000);
    const startedAtMs = now;
    now += 1_000;
    for (let i = 0; i < inFlight; i += 1) {
      policy.observe(
        {
          startedAtMs,
          latencyMs: engine.latencyMs(inFlight) * (0.8 + 0.4 * random.next()),
          inFlight,
          outcome: i < (engine.room ?? 1_000) ? 'ok' : 'dropped',
          loadRatio: engine.loadRatio?.(inFlight),
        },
        now,
      );
    }
    limits.push(policy.limit);
  }
  return limits;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const target = { policy: 'target_latency', min: 8, max: 128, targetMs: 2_000 } as const;
/** 2 s are reached at 40 requests. */
const slope: Engine = { latencyMs: (inFlight) => 400 + 40 * inFlight };

test('C3: target_latency settles where the target is met, and stays there', () => {
  const limits = serve(createConcurrencyPolicy(target), slope, { rounds: 60 });
  for (const limit of limits.slice(20)) {
    const ratio = slope.latencyMs(limit) / 2_000;
    assert.ok(ratio > 0.85 && ratio < 1.15, `limit ${limit}: ${ratio} of the target`);
  }
  assert.ok(new Set(limits.slice(20)).size <= 3, limits.join(' '));
});

test('C3: target_latency follows an engine that becomes slower', () => {
  const policy = createConcurrencyPolicy(target);
  const before = serve(policy, slope, { rounds: 40 }).at(-1) as number;
  const slower: Engine = { latencyMs: (inFlight) => 2 * slope.latencyMs(inFlight) };
  const after = serve(policy, slower, { rounds: 40, startMs: 40_000 }).at(-1) as number;
  assert.ok(before > 30 && after < 20, `${before} then ${after}`);
});

test('C4: load_watermark ends between its watermarks, never beyond its bounds', () => {
  const policy = createConcurrencyPolicy({ policy: 'load_watermark', min: 4, max: 256 });
  const engine: Engine = { latencyMs: () => 100, loadRatio: (inFlight) => inFlight / 100 };
  const limits = serve(policy, engine, { rounds: 80 });
  const last = limits.at(-1) as number;
  assert.ok(last >= 30 && last <= 80, limits.join(' '));
  const crowded: Engine = { latencyMs: () => 100, loadRatio: () => 0.95 };
  assert.equal(serve(policy, crowded, { rounds: 80, startMs: 80_000 }).at(-1), 4);
});

test('C4: load_watermark leaves the limit alone where the engine tells no load', () => {
  const policy = createConcurrencyPolicy({ policy: 'load_watermark', min: 4, max: 256 });
  assert.equal(serve(policy, { latencyMs: () => 1 }, { rounds: 20 }).at(-1), 4);
});

test('C7: gradient finds the knee of an engine without being told a target', () => {
  const policy = createConcurrencyPolicy({ policy: 'gradient', min: 4, max: 500 });
  const knee: Engine = { latencyMs: (inFlight) => 200 * Math.max(1, inFlight / 32) };
  const limits = serve(policy, knee, { rounds: 300 });
  const settled = mean(limits.slice(150));
  assert.ok(settled > 32 && settled < 96, `settled at ${settled}`);
});

const adaptive: ConcurrencyOptions[] = [
  target,
  { policy: 'load_watermark', min: 8, max: 128 },
  { policy: 'gradient', min: 8, max: 128 },
];
for (const options of adaptive) {
  test(`C7: ${options.policy} comes down when the engine turns requests away`, () => {
    const policy = createConcurrencyPolicy(options);
    const idle: Engine = { latencyMs: () => 10, loadRatio: () => 0.1 };
    const high = serve(policy, idle, { rounds: 200 }).at(-1) as number;
    assert.ok(high > 100, `climbed to ${high}`);
    const limits = serve(policy, { ...idle, room: 40 }, { rounds: 60, startMs: 200_000 });
    // It goes on probing: what counts is that it stays near what the engine takes.
    assert.ok(mean(limits.slice(20)) < 48, limits.join(' '));
  });

  test(`C7: ${options.policy} does not raise a limit that nobody uses`, () => {
    const policy = createConcurrencyPolicy(options);
    const idle: Engine = { latencyMs: () => 10, loadRatio: () => 0.1 };
    const limits = serve(policy, idle, { rounds: 100, callers: 3 });
    assert.equal(Math.max(...limits), 8);
  });

  test(`C7: ${options.policy} keeps a whole limit within its bounds, whatever it hears`, () => {
    const sample = fc.record({
      startedAtMs: fc.nat(100_000),
      latencyMs: fc.double({ min: 0, max: 1e7, noNaN: true }),
      inFlight: fc.nat(200),
      outcome: fc.constantFrom('ok' as const, 'dropped' as const),
      loadRatio: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 200 }), (samples) => {
        const policy = createConcurrencyPolicy(options);
        let now = 0;
        for (const one of samples) {
          now += 500;
          policy.observe(one, now);
          assert.ok(Number.isInteger(policy.limit));
          assert.ok(policy.limit >= 8 && policy.limit <= 128);
        }
      }),
    );
  });
}

test('fixed is what it was told', () => {
  const policy = createConcurrencyPolicy({ policy: 'fixed', max: 64 });
  assert.deepEqual(new Set(serve(policy, slope, { rounds: 5 })), new Set([64]));
});

test('bounds out of order are refused', () => {
  assert.throws(() => createConcurrencyPolicy({ ...target, min: 9, max: 8 }), /1 ≤ min ≤ max/);
  assert.throws(() => createConcurrencyPolicy({ policy: 'fixed', max: 0 }), /1 ≤ min ≤ max/);
});
