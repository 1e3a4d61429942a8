import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Heap } from './heap.ts';

interface Item {
  key: number;
  readonly id: number;
}

const operation = fc.oneof(
  fc.record({ kind: fc.constant('push' as const), key: fc.integer({ min: 0, max: 9 }) }),
  fc.record({ kind: fc.constant('pop' as const) }),
  fc.record({ kind: fc.constant('remove' as const), index: fc.nat(30) }),
  fc.record({
    kind: fc.constant('update' as const),
    index: fc.nat(30),
    key: fc.integer({ min: 0, max: 9 }),
  }),
);

test('behaves as a sorted list under any mix of push, pop, remove and update', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
      const order = (a: Item, b: Item) => a.key - b.key || a.id - b.id;
      const heap = new Heap<Item>((a, b) => order(a, b) < 0);
      const all: Item[] = [];
      let model: Item[] = [];
      for (const op of operations) {
        if (op.kind === 'push') {
          const item = { key: op.key, id: all.length };
          all.push(item);
          model.push(item);
          heap.push(item);
        } else if (op.kind === 'pop') {
          assert.equal(heap.pop(), model[0]);
          model = model.slice(1);
        } else {
          const item = all[op.index];
          if (item === undefined) continue;
          if (op.kind === 'remove') {
            assert.equal(heap.remove(item), model.includes(item));
            model = model.filter((other) => other !== item);
          } else {
            item.key = op.key;
            heap.update(item);
          }
        }
        model.sort(order);
        assert.equal(heap.size, model.length);
        assert.equal(heap.peek(), model[0]);
        assert.deepEqual(new Set(heap.values()), new Set(model));
        for (const item of all) assert.equal(heap.has(item), model.includes(item));
      }
    }),
  );
});

test('an item cannot be in the heap twice', () => {
  const heap = new Heap<Item>((a, b) => a.key < b.key);
  const item = { key: 1, id: 1 };
  heap.push(item);
  assert.throws(() => heap.push(item), /already in the heap/);
});
