/** The fair queue and the wait predictor together: what a newcomer is told, and what then happens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from '../../core/random.ts';
import { FairQueue, type QueueItem } from './fair-queue.ts';
import { type RequestClass, requestClasses } from './request-class.ts';
import { createWaitPredictor } from './wait-predictor.ts';

const meanServiceMs = 4_000;
const msPerToken = 16;

/** Poisson arrivals of mixed classes, tenants and sizes; ratios of predicted to real waits. */
function simulate(load: number, slots: number): Record<RequestClass, number[]> {
  const random = createRandom(671);
  const exponential = () => -Math.log(1 - random.next());
  const predictor = createWaitPredictor();
  const queue = new FairQueue<QueueItem>({ maxDepth: 100_000, ageMs: 30_000 });
  const predictedMs = new Map<string, number>();
  const ratios: Record<RequestClass, number[]> = { interactive: [], standard: [], batch: [] };
  const running: { id: string; endMs: number }[] = [];
  let nextArrivalMs = 0;
  let now = 0;
  let arrived = 0;

  function arrive(): void {
    const pick = random.next();
    const item: QueueItem = {
      id: String(arrived),
      tenant: `t${Math.floor(random.next() * 5)}`,
      weight: 1,
      requestClass: pick < 0.4 ? 'interactive' : pick < 0.7 ? 'standard' : 'batch',
      costTokens: 50 + Math.floor(random.next() * 400),
      arrivedAtMs: now,
      deadlineAtMs: now + 1e9,
    };
    arrived += 1;
    const ahead = queue.aheadOf(item, now);
    predictedMs.set(item.id, predictor.predictWaitMs({ ahead, concurrencyMax: slots }, now));
    queue.enqueue(item, now);
  }

  function fill(): void {
    while (running.length < slots) {
      const item = queue.next(now);
      if (item === undefined) return;
      const waitedMs = now - item.arrivedAtMs;
      const ratio = (predictedMs.get(item.id) as number) / waitedMs;
      // Not the start, where nothing has been measured, nor waits too short to be told apart.
      if (arrived > 200 && waitedMs > meanServiceMs / 20) ratios[item.requestClass].push(ratio);
      const endMs = now + exponential() * item.costTokens * msPerToken;
      running.push({ id: item.id, endMs });
      const size = { costTokens: item.costTokens, expectedTokens: item.costTokens };
      predictor.observeStart(item.id, size, now);
    }
  }

  while (arrived < 6_000) {
    running.sort((a, b) => a.endMs - b.endMs);
    const [ending] = running;
    if (ending !== undefined && ending.endMs <= nextArrivalMs) {
      now = ending.endMs;
      running.shift();
      predictor.observeEnd(ending.id, now);
    } else {
      now = nextArrivalMs;
      nextArrivalMs += (exponential() * meanServiceMs) / slots / load;
      arrive();
    }
    fill();
  }
  return ratios;
}

for (const [load, slots] of [
  [0.9, 2],
  [0.95, 8],
  [1.2, 8],
] as const) {
  test(`D3: waits come true in every class, at load ${load} on ${slots} slots`, () => {
    const ratios = simulate(load, slots);
    for (const requestClass of requestClasses) {
      const sorted = ratios[requestClass].sort((a, b) => a - b);
      assert.ok(sorted.length > 300, `${sorted.length} waited`);
      const median = sorted[Math.floor(sorted.length / 2)] as number;
      assert.ok(median > 0.6 && median < 1.6, `${requestClass}: median ${median}`);
    }
  });
}
