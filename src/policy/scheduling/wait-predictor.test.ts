import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRandom, type Random } from '../../core/random.ts';
import { createWaitPredictor } from './wait-predictor.ts';

const size = { costTokens: 100, expectedTokens: 50 };
const none = { requests: 0, costTokens: 0 };

function line(requests: number) {
  return { requests, costTokens: requests * size.costTokens };
}

interface Job {
  readonly id: string;
  readonly serviceMs: number;
  readonly arrivedAtMs: number;
  readonly predictedMs: number;
}

/** A first-come first-served line before `slots` servers; ratios of predicted to real waits. */
function simulate(settings: {
  serviceMs: (random: Random) => number;
  slots: number;
  load: number;
  meanMs: number;
  jobs: number;
}): number[] {
  const { slots, meanMs } = settings;
  const random = createRandom(671);
  const predictor = createWaitPredictor({ priorServiceMs: meanMs * 3 });
  const waiting: Job[] = [];
  const running: { id: string; endMs: number }[] = [];
  const ratios: number[] = [];
  let now = 0;
  let nextArrivalMs = 0;
  let arrived = 0;
  while (arrived < settings.jobs) {
    running.sort((a, b) => a.endMs - b.endMs);
    const ending = running[0];
    if (ending !== undefined && ending.endMs <= nextArrivalMs) {
      running.shift();
      now = ending.endMs;
      predictor.observeEnd(ending.id, now);
    } else {
      now = nextArrivalMs;
      nextArrivalMs += (-Math.log(1 - random.next()) * meanMs) / slots / settings.load;
      const ahead = line(waiting.length);
      waiting.push({
        id: String(arrived),
        serviceMs: settings.serviceMs(random),
        arrivedAtMs: now,
        predictedMs: predictor.predictWaitMs({ ahead, concurrencyMax: slots }, now),
      });
      arrived += 1;
    }
    while (running.length < slots && waiting.length > 0) {
      const job = waiting.shift() as Job;
      const waitedMs = now - job.arrivedAtMs;
      // The start of the run, where nothing is measured yet, is another test's business.
      if (arrived > 100 && waitedMs > meanMs / 100) ratios.push(job.predictedMs / waitedMs);
      running.push({ id: job.id, endMs: now + job.serviceMs });
      predictor.observeStart(job.id, size, now);
    }
  }
  return ratios.sort((a, b) => a - b);
}

const distributions: [string, (random: Random) => number][] = [
  ['fixed', () => 4_000],
  ['exponential', (random) => -Math.log(1 - random.next()) * 4_000],
  ['uniform', (random) => 8_000 * random.next()],
];
for (const [name, serviceMs] of distributions) {
  for (const slots of [1, 8, 64]) {
    test(`D3: predicted waits come true: ${name} service times, ${slots} slots`, () => {
      const ratios = simulate({ serviceMs, slots, load: 0.95, meanMs: 4_000, jobs: 6_000 });
      assert.ok(ratios.length > 200, `${ratios.length} waited`);
      const at = (share: number) => ratios[Math.floor(ratios.length * share)] as number;
      const shown = `p10 ${at(0.1)}, median ${at(0.5)}, p90 ${at(0.9)}`;
      assert.ok(at(0.5) > 0.75 && at(0.5) < 1.35, shown);
      assert.ok(at(0.1) > 0.2 && at(0.9) < 5, shown);
      // One slot and equal durations can be told to the moment.
      if (name === 'fixed' && slots === 1) assert.ok(at(0.1) > 0.9 && at(0.9) < 1.1, shown);
    });
  }
}

test('before any data there is no wait for a free slot and the prior without one', () => {
  const predictor = createWaitPredictor({ priorServiceMs: 8_000 });
  assert.equal(predictor.predictWaitMs({ ahead: none, concurrencyMax: 2 }, 0), 0);
  predictor.observeStart('a', size, 0);
  predictor.observeStart('b', size, 0);
  assert.equal(predictor.predictWaitMs({ ahead: none, concurrencyMax: 2 }, 0), 4_000);
  assert.equal(predictor.predictWaitMs({ ahead: line(3), concurrencyMax: 2 }, 0), 16_000);
  assert.equal(predictor.predictWaitMs({ ahead: none, concurrencyMax: 3 }, 0), 0);
  // Two of the four ahead take the free slots; the newcomer gets the third place that comes free.
  assert.equal(predictor.predictWaitMs({ ahead: line(4), concurrencyMax: 4 }, 0), 6_000);
});

test('without any endpoint the wait has no end', () => {
  const predictor = createWaitPredictor();
  assert.equal(predictor.predictWaitMs({ ahead: none, concurrencyMax: 0 }, 0), Infinity);
});

test('the speed of the streams tells long answers before the first one has ended', () => {
  const predictor = createWaitPredictor({ priorServiceMs: 1_000 });
  const long = { costTokens: 6_500, expectedTokens: 6_000 };
  for (const id of ['a', 'b', 'c', 'd']) predictor.observeStart(id, long, 0);
  // 2 s to the first token, then 25 tokens/s for 3 s.
  for (const id of ['a', 'b', 'c', 'd']) predictor.observeToken(id, 1, 2_000);
  for (let now = 2_040; now <= 5_000; now += 40) {
    for (const id of ['a', 'b', 'c', 'd']) predictor.observeToken(id, 1, now);
  }
  const real = 2_000 + 6_000 * 40;
  const ratio = predictor.serviceMs(5_000) / real;
  assert.ok(ratio > 0.6 && ratio < 1.4, String(ratio));
});

test('requests that take far longer than the prior are noticed before they end', () => {
  const predictor = createWaitPredictor({ priorServiceMs: 1_000 });
  for (let i = 0; i < 8; i += 1) predictor.observeStart(String(i), size, 0);
  assert.ok(predictor.serviceMs(60_000) > 40_000);
});

test('a request that was cancelled frees its place and leaves the estimate alone', () => {
  const predictor = createWaitPredictor({ priorServiceMs: 1_000 });
  for (const id of ['a', 'b']) {
    predictor.observeStart(id, size, 0);
    predictor.observeEnd(id, 5_000);
  }
  const before = predictor.serviceMs(5_000);
  predictor.observeStart('c', size, 5_000);
  predictor.forget('c', 5_100);
  assert.equal(predictor.serviceMs(5_100), before);
  assert.equal(predictor.predictWaitMs({ ahead: none, concurrencyMax: 1 }, 5_100), 0);
});

test('larger requests ahead mean a longer wait', () => {
  const predictor = createWaitPredictor();
  predictor.observeStart('a', size, 0);
  const small = { requests: 4, costTokens: 400 };
  const large = { requests: 4, costTokens: 1_200 };
  const wait = (ahead: typeof small) => predictor.predictWaitMs({ ahead, concurrencyMax: 1 }, 0);
  assert.ok(wait(large) > 2 * wait(small));
});

test('those who will overtake count, by their rate and never beyond their share', () => {
  const predictor = createWaitPredictor({ priorServiceMs: 1_000 });
  predictor.observeStart('a', size, 0);
  const wait = (tokensPerMs: number, roomTokens: number) => {
    const ahead = { ...line(9), overtaking: [{ tokensPerMs, roomTokens }] };
    return predictor.predictWaitMs({ ahead, concurrencyMax: 1 }, 0);
  };
  // 0.1 tokens are served per ms: at half of that arriving first the wait doubles.
  const doubled = wait(0.05, 1e9) / wait(0, 1e9);
  assert.ok(Math.abs(doubled - 2) < 0.01, String(doubled));
  assert.equal(wait(5, 300) - wait(0, 300), 3_000);
});

test('whatever is observed, a prediction is a number from 0 on, and grows with the line', () => {
  const event = fc.record({
    kind: fc.constantFrom('start', 'token', 'end', 'forget'),
    id: fc.constantFrom('a', 'b', 'c', 'd'),
    afterMs: fc.nat(5_000),
  });
  fc.assert(
    fc.property(fc.array(event), fc.integer({ min: 1, max: 5 }), (events, concurrencyMax) => {
      const predictor = createWaitPredictor();
      let now = 0;
      for (const { kind, id, afterMs } of events) {
        now += afterMs;
        if (kind === 'start') predictor.observeStart(id, size, now);
        else if (kind === 'token') predictor.observeToken(id, 3, now);
        else if (kind === 'end') predictor.observeEnd(id, now);
        else predictor.forget(id, now);
        let last = 0;
        for (let requests = 0; requests < 12; requests += 1) {
          const ms = predictor.predictWaitMs({ ahead: line(requests), concurrencyMax }, now);
          assert.ok(Number.isFinite(ms) && ms >= last, `${ms} after ${last}`);
          last = ms;
        }
      }
    }),
  );
});
