import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BatcherOptions, type BatchItem, createBatcher, type QueuePolicy } from './batcher.ts';

interface Item extends BatchItem {
  readonly id: number;
}

const base: BatcherOptions = {
  maxBatchSize: 8,
  preferredBatchSizes: [4],
  maxQueueDelayMs: 100,
};
const policy: QueuePolicy = {
  maxQueueSize: 0,
  defaultTimeoutMs: 50,
  allowTimeoutOverride: false,
  timeoutAction: 'reject',
};

function filled(options: Partial<BatcherOptions>, count: number, over: Partial<Item> = {}) {
  const batcher = createBatcher<Item>({ ...base, ...options });
  for (let id = 0; id < count; id += 1) batcher.add({ id, batchSize: 1, ...over }, 0);
  return batcher;
}

function ids(batch: readonly Item[] | undefined): number[] | undefined {
  return batch?.map((item) => item.id);
}

test('C1: goes out by age on a timer, without a new arrival', () => {
  const batcher = filled({}, 3);
  assert.deepEqual(batcher.poll(0), { rejected: [], wakeAtMs: 100 });
  assert.equal(batcher.poll(99).batch, undefined);
  assert.deepEqual(ids(batcher.poll(100).batch), [0, 1, 2]);
  assert.deepEqual(batcher.poll(100), { rejected: [], wakeAtMs: undefined });
});

const sizes: [string, Partial<BatcherOptions>, number, number | undefined][] = [
  ['a preferred size goes out at once', {}, 4, 4],
  ['fewer than preferred wait', {}, 3, undefined],
  ['the largest preferred size that is reached goes out', { preferredBatchSizes: [2, 4] }, 5, 4],
  ['a preferred size is cut from a longer line', {}, 7, 4],
  ['without preferred sizes the maximum is the one', { preferredBatchSizes: [] }, 7, undefined],
  ['without preferred sizes a full batch goes out', { preferredBatchSizes: [] }, 9, 8],
  ['without a delay whatever is there goes out', { maxQueueDelayMs: 0 }, 3, 3],
  ['without a delay a preferred size still comes first', { maxQueueDelayMs: 0 }, 7, 4],
];
for (const [name, options, count, expected] of sizes) {
  test(`C2: ${name}`, () => {
    assert.equal(filled(options, count).poll(0).batch?.length, expected);
  });
}

test('C2: once the oldest is overdue the batch is as large as it can be, not the preferred size', () => {
  assert.equal(filled({}, 7).poll(100).batch?.length, 7);
  assert.equal(filled({}, 12).poll(100).batch?.length, 8);
});

test('C2: a request that would exceed every preferred size closes the batch before it', () => {
  const batcher = createBatcher<Item>(base);
  batcher.add({ id: 0, batchSize: 3 }, 0);
  assert.equal(batcher.poll(0).batch, undefined);
  batcher.add({ id: 1, batchSize: 3 }, 0);
  assert.deepEqual(ids(batcher.poll(0).batch), [0]);
  assert.equal(batcher.poll(0).batch, undefined);
});

test('C2: a request larger than the maximum, of an unknown level, or too many are refused', () => {
  const batcher = createBatcher<Item>({
    ...base,
    priorityLevels: 2,
    defaultPriorityLevel: 1,
    priorityQueuePolicy: { 2: { ...policy, maxQueueSize: 1 } },
  });
  const add = (item: Partial<Item>) => batcher.add({ id: 0, batchSize: 1, ...item }, 0);
  assert.deepEqual(add({ batchSize: 9 }), { kind: 'refused', why: 'too_large' });
  assert.deepEqual(add({ priority: 3 }), { kind: 'refused', why: 'unknown_priority' });
  assert.deepEqual(add({ priority: 2 }), { kind: 'queued' });
  assert.deepEqual(add({ priority: 2 }), { kind: 'refused', why: 'queue_full' });
  assert.deepEqual(add({}), { kind: 'queued' });
});

test('C2: higher levels go first, and a batch may mix levels', () => {
  const batcher = createBatcher<Item>({ ...base, priorityLevels: 3, defaultPriorityLevel: 2 });
  batcher.add({ id: 0, batchSize: 1, priority: 3 }, 0);
  batcher.add({ id: 1, batchSize: 1 }, 1);
  batcher.add({ id: 2, batchSize: 1, priority: 1 }, 2);
  batcher.add({ id: 3, batchSize: 1, priority: 1 }, 3);
  assert.deepEqual(ids(batcher.poll(3).batch), [2, 3, 1, 0]);
});

test('C2: REJECT drops what is late and wakes up for it; DELAY puts it behind the others', () => {
  const rejecting = filled({ defaultQueuePolicy: policy }, 2);
  assert.equal(rejecting.poll(0).wakeAtMs, 50);
  const late = rejecting.poll(51);
  assert.deepEqual(ids(late.rejected), [0, 1]);
  assert.equal(rejecting.size, 0);

  const delaying = filled({ defaultQueuePolicy: { ...policy, timeoutAction: 'delay' } }, 2);
  delaying.add({ id: 7, batchSize: 1 }, 51);
  delaying.add({ id: 8, batchSize: 1 }, 51);
  assert.deepEqual(ids(delaying.poll(51).batch), [7, 8, 0, 1]);
});

test('C2: a request may shorten its time-out where allowed, and never lengthen it', () => {
  const cases: [boolean, number, number][] = [
    [true, 20, 20],
    [true, 90, 50],
    [false, 20, 50],
  ];
  for (const [allowTimeoutOverride, timeoutMs, expected] of cases) {
    const batcher = filled({ defaultQueuePolicy: { ...policy, allowTimeoutOverride } }, 1, {
      timeoutMs,
    });
    assert.equal(batcher.poll(0).wakeAtMs, expected);
  }
});

test('preferred sizes outside of the maximum are refused', () => {
  assert.throws(() => createBatcher({ ...base, preferredBatchSizes: [16] }), /from 1 to 8/);
});

test('C1: never over the maximum, in order, nothing lost, and nobody waits longer than the delay', () => {
  const arrival = fc.record({
    afterMs: fc.integer({ min: 0, max: 120 }),
    batchSize: fc.integer({ min: 1, max: 8 }),
  });
  fc.assert(
    fc.property(
      fc.array(arrival, { maxLength: 60 }),
      fc.subarray([1, 2, 4, 8]),
      fc.integer({ min: 0, max: 200 }),
      (arrivals, preferredBatchSizes, maxQueueDelayMs) => {
        const batcher = createBatcher<Item>({ ...base, preferredBatchSizes, maxQueueDelayMs });
        const enqueuedAtMs: number[] = [];
        const sent: number[] = [];
        let wakeAtMs: number | undefined;
        const pollAt = (now: number) => {
          for (;;) {
            const result = batcher.poll(now);
            wakeAtMs = result.wakeAtMs;
            if (result.batch === undefined) break;
            const rows = result.batch.reduce((sum, item) => sum + item.batchSize, 0);
            assert.ok(rows >= 1 && rows <= 8, `${rows} rows`);
            for (const { id } of result.batch) {
              assert.ok(now - (enqueuedAtMs[id] as number) <= maxQueueDelayMs);
              sent.push(id);
            }
          }
          assert.equal(wakeAtMs === undefined, batcher.size === 0);
        };
        let now = 0;
        for (const [id, { afterMs, batchSize }] of arrivals.entries()) {
          now += afterMs;
          while (wakeAtMs !== undefined && wakeAtMs <= now) pollAt(wakeAtMs);
          enqueuedAtMs.push(now);
          assert.equal(batcher.add({ id, batchSize }, now).kind, 'queued');
          pollAt(now);
        }
        while (wakeAtMs !== undefined) pollAt(wakeAtMs);
        assert.deepEqual(
          sent,
          arrivals.map((_, id) => id),
        );
      },
    ),
  );
});
