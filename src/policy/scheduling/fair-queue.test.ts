import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRandom } from '../../core/random.ts';
import { FairQueue, type QueueItem } from './fair-queue.ts';
import { type RequestClass, requestClasses } from './request-class.ts';

const never = 1e15;
const options = { maxDepth: 10_000, ageMs: 30_000 };

function item(id: string, over: Partial<QueueItem> = {}): QueueItem {
  return {
    id,
    tenant: 'a',
    weight: 1,
    requestClass: 'standard',
    costTokens: 100,
    arrivedAtMs: 0,
    deadlineAtMs: never,
    ...over,
  };
}

function drain(queue: FairQueue<QueueItem>, now = 0): string[] {
  const ids: string[] = [];
  for (let one = queue.next(now); one !== undefined; one = queue.next(now)) ids.push(one.id);
  return ids;
}

/** Serves `count` requests from flows that never run dry; tokens served by `key`. */
function serveBacklog(
  flows: readonly Partial<QueueItem>[],
  count: number,
  settings: { key: (one: QueueItem) => string; correct?: (one: QueueItem) => number },
): Map<string, number> {
  const queue = new FairQueue<QueueItem>(options);
  const random = createRandom(7);
  const served = new Map<string, number>();
  let made = 0;
  const add = (flow: Partial<QueueItem>) => {
    made += 1;
    queue.enqueue(
      item(String(made), { ...flow, costTokens: 50 + Math.floor(random.next() * 400) }),
      0,
    );
  };
  for (const flow of flows) for (let i = 0; i < 3; i += 1) add(flow);
  for (let i = 0; i < count; i += 1) {
    const one = queue.next(0) as QueueItem;
    const delta = settings.correct?.(one) ?? 0;
    queue.charge(one, delta);
    const key = settings.key(one);
    served.set(key, (served.get(key) ?? 0) + one.costTokens + delta);
    add({ tenant: one.tenant, weight: one.weight, requestClass: one.requestClass });
  }
  return served;
}

function assertShares(served: Map<string, number>, weights: Record<string, number>): void {
  const total = [...served.values()].reduce((sum, tokens) => sum + tokens, 0);
  const weightSum = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  for (const [key, weight] of Object.entries(weights)) {
    const ratio = (served.get(key) ?? 0) / total / (weight / weightSum);
    assert.ok(Math.abs(ratio - 1) < 0.05, `${key}: ${ratio} of its share`);
  }
}

test('C6: tenants share a class by weight within 5 % over 2,000 requests', () => {
  const flows = [
    { tenant: 'one', weight: 1 },
    { tenant: 'two', weight: 2 },
    { tenant: 'five', weight: 5 },
  ];
  const served = serveBacklog(flows, 2_000, { key: (one) => one.tenant });
  assertShares(served, { one: 1, two: 2, five: 5 });
});

test('C6: classes share 8 : 4 : 1 within 5 % over 2,000 requests', () => {
  const flows = requestClasses.map((requestClass) => ({ requestClass }));
  const served = serveBacklog(flows, 2_000, { key: (one) => one.requestClass });
  assertShares(served, { interactive: 8, standard: 4, batch: 1 });
});

test('C6: an idle class lends its share to the others in proportion', () => {
  const flows = [{ requestClass: 'standard' as const }, { requestClass: 'batch' as const }];
  const served = serveBacklog(flows, 2_000, { key: (one) => one.requestClass });
  assertShares(served, { standard: 4, batch: 1 });
});

test('C6: a tenant whose estimates are wrong still gets its share of real tokens', () => {
  const flows = [{ tenant: 'low' }, { tenant: 'high' }, { tenant: 'right' }];
  const factor: Record<string, number> = { low: 2, high: -0.5, right: 0 };
  const served = serveBacklog(flows, 2_000, {
    key: (one) => one.tenant,
    correct: (one) => one.costTokens * (factor[one.tenant] as number),
  });
  assertShares(served, { low: 1, high: 1, right: 1 });
});

for (const who of ['tenant', 'class'] as const) {
  test(`a ${who} that comes back from idling gains no claim on the time it missed`, () => {
    const queue = new FairQueue<QueueItem>(options);
    const b =
      who === 'tenant' ? { tenant: 'b' } : { tenant: 'b', requestClass: 'interactive' as const };
    queue.enqueue(item('b', b), 0);
    queue.next(0);
    for (let i = 0; i < 80; i += 1) queue.enqueue(item(`a${i}`), 0);
    for (let i = 0; i < 60; i += 1) queue.next(0);
    for (let i = 0; i < 20; i += 1) queue.enqueue(item(`b${i}`, b), 0);
    const order = drain(queue).slice(0, 12);
    const ofB = order.filter((id) => id.startsWith('b')).length;
    // Equal tenants take turns; interactive has twice the share of standard.
    const share = who === 'tenant' ? 6 : 8;
    assert.ok(Math.abs(ofB - share) <= 1, order.join(' '));
  });
}

const anyItem = fc.record({
  tenant: fc.constantFrom('a', 'b', 'c'),
  weight: fc.constantFrom(1, 2, 4),
  requestClass: fc.constantFrom<RequestClass>(...requestClasses),
  costTokens: fc.integer({ min: 1, max: 500 }),
  deadlineAtMs: fc.integer({ min: 0, max: 2_000 }),
});
const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('add' as const), item: anyItem }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('next' as const), tenant: fc.nat(3) }) },
  fc.record({ kind: fc.constant('putBack' as const) }),
  fc.record({ kind: fc.constant('remove' as const), index: fc.nat(50) }),
  fc.record({ kind: fc.constant('charge' as const), delta: fc.integer({ min: -300, max: 300 }) }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 400 }) }),
);

test('conserves requests: each leaves once, by one door, whatever happens', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 120 }), (operations) => {
      const queue = new FairQueue<QueueItem>({ maxDepth: 20, ageMs: 300 });
      const waiting = new Set<string>();
      const served: QueueItem[] = [];
      let made = 0;
      let now = 0;
      for (const op of operations) {
        if (op.kind === 'add') {
          const id = String(made);
          const full = waiting.size >= 20;
          const result = queue.enqueue(item(id, { ...op.item, arrivedAtMs: now }), now);
          assert.equal(result.kind, full ? 'full' : 'queued');
          if (!full) waiting.add(id);
          made += 1;
        } else if (op.kind === 'next') {
          const refused = 'abc'[op.tenant];
          const one = queue.next(now, (candidate) => candidate.tenant !== refused);
          if (one === undefined) {
            const left = queue.toJSON().classes.flatMap((lane) => lane.flows);
            assert.ok(
              left.every((flow) => flow.waiting === 0 || flow.tenant === refused),
              'work-conserving: nothing eligible may be left waiting',
            );
          } else {
            assert.ok(waiting.delete(one.id));
            assert.notEqual(one.tenant, refused);
            served.push(one);
          }
        } else if (op.kind === 'putBack') {
          const one = served.pop();
          if (one === undefined) continue;
          queue.putBack(one, now);
          waiting.add(one.id);
        } else if (op.kind === 'remove') {
          const gone = queue.remove(String(op.index));
          assert.equal(gone !== undefined, waiting.delete(String(op.index)));
        } else if (op.kind === 'charge') {
          const one = served.at(-1);
          if (one !== undefined) queue.charge(one, op.delta);
        } else {
          now += op.ms;
          for (const one of queue.expire(now)) {
            assert.ok(one.deadlineAtMs <= now);
            assert.ok(waiting.delete(one.id));
          }
        }
        assert.equal(queue.size, waiting.size);
        const depths = queue.depths();
        assert.equal(depths.interactive + depths.standard + depths.batch, waiting.size);
        assert.deepEqual(new Set(queue.positions(now).keys()), waiting);
      }
      assert.deepEqual(new Set(drain(queue, now)), waiting);
    }),
    { numRuns: 200 },
  );
});

test('D3: positions are the order in which requests are then served', () => {
  fc.assert(
    fc.property(fc.array(anyItem, { maxLength: 40 }), fc.nat(10), (items, alreadyServed) => {
      const queue = new FairQueue<QueueItem>(options);
      for (const [index, one] of items.entries()) queue.enqueue(item(String(index), one), 0);
      for (let i = 0; i < alreadyServed; i += 1) queue.next(0);
      const expected = [...queue.positions(0)].sort((a, b) => a[1] - b[1]).map(([id]) => id);
      assert.deepEqual(queue.toJSON().order, expected);
      assert.deepEqual(drain(queue), expected);
    }),
  );
});

test('what is ahead of a newcomer is exact where costs are equal', () => {
  fc.assert(
    fc.property(fc.array(anyItem, { maxLength: 30 }), anyItem, fc.nat(8), (items, last, serve) => {
      const queue = new FairQueue<QueueItem>(options);
      const even = { costTokens: 64, weight: 1 };
      for (const [index, one] of items.entries()) {
        queue.enqueue(item(String(index), { ...one, ...even }), 0);
      }
      for (let i = 0; i < serve; i += 1) queue.next(0);
      const newcomer = item('new', { ...last, ...even });
      const ahead = queue.aheadOf(newcomer, 0);
      queue.enqueue(newcomer, 0);
      assert.equal(ahead.requests + 1, queue.position('new', 0));
      assert.equal(ahead.costTokens, ahead.requests * 64);
    }),
  );
});

test('inside one tenant and class the earlier deadline goes first, then the earlier arrival', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5), { maxLength: 40 }), (deadlines) => {
      const queue = new FairQueue<QueueItem>(options);
      for (const [index, deadline] of deadlines.entries()) {
        queue.enqueue(item(String(index), { deadlineAtMs: deadline + 1 }), 0);
      }
      const expected = deadlines
        .map((deadline, index) => ({ deadline, index }))
        .sort((a, b) => a.deadline - b.deadline || a.index - b.index)
        .map(({ index }) => String(index));
      assert.deepEqual(drain(queue), expected);
    }),
  );
});

test('a request that is put back is the next of its flow and is charged once', () => {
  const queue = new FairQueue<QueueItem>(options);
  queue.enqueue(item('first', { deadlineAtMs: 500 }), 0);
  queue.enqueue(item('other', { tenant: 'b' }), 0);
  const before = queue.toJSON();
  const first = queue.next(0) as QueueItem;
  assert.equal(first.id, 'first');
  queue.enqueue(item('sooner', { deadlineAtMs: 100 }), 0);
  queue.putBack(first, 0);
  queue.remove('sooner');
  assert.deepEqual(queue.toJSON(), before);
  queue.enqueue(item('sooner', { deadlineAtMs: 100 }), 0);
  assert.equal(queue.next(0)?.id, 'first');
});

test('passing an empty queue leaves the same state as queueing and being served', () => {
  const arrival = fc.record({
    tenant: fc.constantFrom('a', 'b', 'c'),
    weight: fc.constantFrom(1, 2, 5),
    requestClass: fc.constantFrom(...requestClasses),
    costTokens: fc.integer({ min: 1, max: 1000 }),
    delta: fc.integer({ min: -500, max: 500 }),
    afterMs: fc.integer({ min: 0, max: 50_000 }),
  });
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 40 }), (arrivals) => {
      const passed = new FairQueue<QueueItem>(options);
      const queued = new FairQueue<QueueItem>(options);
      let now = 0;
      for (const [index, { delta, afterMs, ...rest }] of arrivals.entries()) {
        now += afterMs;
        const [one, other] = [item(String(index), rest), item(String(index), rest)];
        passed.pass(one, now);
        queued.enqueue(other, now);
        assert.equal(queued.next(now), other);
        passed.settle(one, delta);
        queued.settle(other, delta);
        assert.deepEqual(passed.toJSON(), queued.toJSON());
      }
    }),
  );
});

test('ageing: a class that is not served moves a request up after age_ms, and nobody starves', () => {
  const queue = new FairQueue<QueueItem>({ maxDepth: 100, ageMs: 1_000 });
  queue.enqueue(item('old', { requestClass: 'batch', costTokens: 10 }), 0);
  // A debt that the batch class could not repay in this test by its share alone.
  queue.charge({ tenant: 'x', requestClass: 'batch', weight: 1 }, 1e9);
  let servedAtMs: number | undefined;
  for (let now = 0; now < 10_000 && servedAtMs === undefined; now += 100) {
    queue.enqueue(item(`i${now}`, { requestClass: 'interactive', deadlineAtMs: now + 5_000 }), now);
    queue.enqueue(item(`j${now}`, { requestClass: 'interactive', deadlineAtMs: now + 5_000 }), now);
    if (queue.next(now)?.id === 'old') servedAtMs = now;
  }
  assert.ok(servedAtMs !== undefined && servedAtMs >= 1_000, `served at ${servedAtMs}`);
});

test("ageing: a promoted request goes before its own tenant's newer ones, and stays up", () => {
  const queue = new FairQueue<QueueItem>({ maxDepth: 100, ageMs: 1_000 });
  queue.enqueue(item('old', { requestClass: 'batch', deadlineAtMs: 86_400_000 }), 0);
  queue.enqueue(item('newer', { deadlineAtMs: 600_000 }), 500);
  const [promoted, waiting] = [queue.next(1_000), queue.depths()];
  assert.equal(promoted?.id, 'old');
  assert.deepEqual(waiting, { interactive: 0, standard: 1, batch: 0 });
  const standardTag = () => queue.toJSON().classes[1]?.tag as number;
  const before = standardTag();
  queue.charge(promoted as QueueItem, 400);
  assert.equal(standardTag(), before + 100, 'its class of service pays');
  queue.putBack(promoted as QueueItem, 1_000);
  assert.deepEqual(queue.depths(), { interactive: 0, standard: 2, batch: 0 });
});

test('ageing leaves the shares alone while every class is being served', () => {
  const queue = new FairQueue<QueueItem>({ maxDepth: 10_000, ageMs: 1_000 });
  const counts: Record<RequestClass, number> = { interactive: 0, standard: 0, batch: 0 };
  let made = 0;
  const add = (requestClass: RequestClass, now: number) => {
    made += 1;
    queue.enqueue(item(String(made), { requestClass, deadlineAtMs: now + never }), now);
  };
  for (const requestClass of requestClasses) for (let i = 0; i < 10; i += 1) add(requestClass, 0);
  for (let step = 0; step < 1_300; step += 1) {
    const one = queue.next(step * 50) as QueueItem;
    counts[one.requestClass] += 1;
    add(one.requestClass, step * 50);
  }
  assert.deepEqual(counts, { interactive: 800, standard: 400, batch: 100 });
});

test('one tenant cannot fill the last places, and another finds them free', () => {
  const queue = new FairQueue<QueueItem>({ maxDepth: 320, ageMs: 1_000 });
  let accepted = 0;
  for (let i = 0; i < 400; i += 1) {
    if (queue.enqueue(item(`flood${i}`), 0).kind === 'queued') accepted += 1;
  }
  assert.equal(accepted, 310);
  for (let i = 0; i < 10; i += 1) {
    assert.equal(queue.enqueue(item(`b${i}`, { tenant: 'b' }), 0).kind, 'queued');
  }
  assert.equal(queue.enqueue(item('c', { tenant: 'c' }), 0).kind, 'full');
});

test('stays bounded however many tenants come by once', () => {
  const queue = new FairQueue<QueueItem>(options);
  for (let i = 0; i < 5_000; i += 1) {
    queue.enqueue(item(String(i), { tenant: `t${i}` }), 0);
    const one = queue.next(0) as QueueItem;
    queue.charge(one, 1_000);
  }
  const flows = queue.toJSON().classes.flatMap((lane) => lane.flows);
  assert.ok(flows.length < 400, `${flows.length} flows kept`);
});

test('the snapshot is JSON', () => {
  const queue = new FairQueue<QueueItem>(options);
  queue.enqueue(item('1'), 0);
  assert.deepEqual(JSON.parse(JSON.stringify(queue)), queue.toJSON());
});

test('refuses a second request of the same id, and costs that are not positive', () => {
  const queue = new FairQueue<QueueItem>(options);
  queue.enqueue(item('1'), 0);
  assert.throws(() => queue.enqueue(item('1'), 0), /already waiting/);
  assert.throws(() => queue.enqueue(item('2', { costTokens: 0 }), 0), /positive/);
  assert.throws(() => queue.enqueue(item('2', { weight: -1 }), 0), /positive/);
});
