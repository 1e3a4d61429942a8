import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRandom } from '../../core/random.ts';
import { createRateLimiter, type RateLimits } from './rate-limit.ts';

const article: RateLimits = { rps: 150, burst: 300 };

function claim(limits: RateLimits, now: number, key = 'a') {
  return { key, limits, now };
}

test('D1: 150/s with a burst of 300 lets exactly that through, within 1 %', () => {
  const limiter = createRateLimiter();
  let allowed = 0;
  // 1,000 requests a second for a minute, asked at uneven times.
  const random = createRandom(3);
  const times = Array.from({ length: 60_000 }, () => random.next() * 60_000).sort((a, b) => a - b);
  for (const now of times) {
    if (limiter.reserve(claim(article, now), 0).kind === 'allow') allowed += 1;
  }
  const exact = 300 + 150 * 60;
  assert.ok(Math.abs(allowed / exact - 1) < 0.01, `${allowed} of ${exact}`);
});

test('D1: the burst is there at once, and after a pause again', () => {
  const limiter = createRateLimiter();
  for (const start of [0, 10_000]) {
    for (let i = 0; i < 300; i += 1) {
      assert.equal(limiter.reserve(claim(article, start), 0).kind, 'allow', `number ${i}`);
    }
    const next = limiter.reserve(claim(article, start), 0);
    assert.ok(next.kind === 'wait' && next.limit === 'requests');
    assert.ok(Math.abs(next.waitMs - 1_000 / 150) < 0.01, String(next.waitMs));
  }
});

test('D1: tokens per minute are reserved by estimate and settled by the truth', () => {
  const limits = { tpm: 60_000 };
  const limiter = createRateLimiter();
  assert.equal(limiter.reserve(claim(limits, 0), 50_000).kind, 'allow');
  const wait = limiter.reserve(claim(limits, 0), 20_000);
  assert.ok(wait.kind === 'wait' && wait.limit === 'tokens');
  assert.ok(Math.abs(wait.waitMs - 10_000) < 0.01, String(wait.waitMs));
  limiter.settle(claim(limits, 0), -30_000);
  assert.equal(limiter.reserve(claim(limits, 0), 20_000).kind, 'allow');
  limiter.settle(claim(limits, 0), 40_000);
  assert.ok(limiter.reserve(claim(limits, 19_000), 1_000).kind === 'wait');
  assert.ok(limiter.reserve(claim(limits, 21_001), 1_000).kind === 'allow');
});

test('a request larger than the bucket goes when it is full and pays in full', () => {
  const limits = { tpm: 6_000 };
  const limiter = createRateLimiter();
  assert.equal(limiter.reserve(claim(limits, 0), 12_000).kind, 'allow');
  const next = limiter.reserve(claim(limits, 0), 6_000);
  assert.ok(next.kind === 'wait' && Math.abs(next.waitMs - 120_000) < 0.01);
});

test('a request that one bucket refuses costs the other nothing', () => {
  const limits = { rps: 1, burst: 5, tpm: 100 };
  const limiter = createRateLimiter();
  limiter.reserve(claim(limits, 0), 100);
  for (let i = 0; i < 10; i += 1) limiter.reserve(claim(limits, 0), 50);
  assert.equal(limiter.status(claim(limits, 0)).requests?.remaining, 4);
});

test('the status is what x-ratelimit-* promises', () => {
  const limiter = createRateLimiter();
  const limits = { rps: 10, burst: 20, tpm: 6_000 };
  for (let i = 0; i < 5; i += 1) limiter.reserve(claim(limits, 0), 100);
  const status = limiter.status(claim(limits, 0));
  assert.deepEqual(status.requests, { limit: 20, remaining: 15, resetMs: 500 });
  assert.deepEqual(status.tokens, { limit: 6_000, remaining: 5_500, resetMs: 5_000 });
  assert.deepEqual(limiter.status(claim({}, 0)), { requests: undefined, tokens: undefined });
});

test('keys do not share, are bounded in number, and survive a copy', () => {
  const limiter = createRateLimiter({ keysMax: 10 });
  for (let i = 0; i < 1_000; i += 1) limiter.reserve(claim({ rps: 1 }, 0, `k${i}`), 0);
  const state = limiter.toJSON();
  assert.equal(Object.keys(state).length, 10);
  const copy = createRateLimiter({ state: JSON.parse(JSON.stringify(state)) });
  assert.equal(copy.reserve(claim({ rps: 1 }, 0, 'k999'), 0).kind, 'wait');
  assert.equal(copy.reserve(claim({ rps: 1 }, 0, 'other'), 0).kind, 'allow');
});

test('no limits, no waiting', () => {
  const limiter = createRateLimiter();
  for (let i = 0; i < 1_000; i += 1) {
    assert.equal(limiter.reserve(claim({}, 0), 1e9).kind, 'allow');
  }
});

test('D1: after the wait that was told it is allowed, and not before', () => {
  const limits = fc.record({
    rps: fc.double({ min: 0.1, max: 500, noNaN: true }),
    burst: fc.integer({ min: 1, max: 50 }),
    tpm: fc.integer({ min: 100, max: 1_000_000 }),
  });
  const asks = fc.array(fc.tuple(fc.nat(500), fc.nat(5_000)), { maxLength: 60 });
  fc.assert(
    fc.property(limits, asks, (rate, requests) => {
      const limiter = createRateLimiter();
      let now = 1e12;
      for (const [afterMs, tokens] of requests) {
        now += afterMs;
        const first = limiter.reserve(claim(rate, now), tokens);
        if (first.kind === 'allow') continue;
        const early = limiter.reserve(claim(rate, now + first.waitMs * 0.99 - 0.01), tokens);
        assert.equal(early.kind, 'wait');
        now += first.waitMs;
        assert.equal(limiter.reserve(claim(rate, now), tokens).kind, 'allow');
      }
    }),
  );
});
