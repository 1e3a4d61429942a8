import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NativeContext } from './native.ts';
import { createSlotTable, type Slot } from './slot-table.ts';

const slotCount = 6;
const contextTokens = 32;

/** A context that keeps each sequence's tokens and nothing else. */
function fakeContext(): { readonly context: NativeContext; readonly cells: number[][] } {
  const cells: number[][] = Array.from({ length: slotCount }, () => []);
  const unused = (): never => assert.fail('the table does not decode');
  return {
    cells,
    context: {
      begin: unused,
      add: unused,
      inOrder: false,
      decode: unused,
      sample: unused,
      rawLogits: unused,
      trim: (sequence, position) => {
        cells[sequence]!.length = Math.min(cells[sequence]!.length, position);
        return true;
      },
      copy: (target, source) => {
        assert.equal(cells[target]!.length, 0, 'the target was emptied before');
        cells[target] = [...cells[source]!];
        return Promise.resolve();
      },
      lastPosition: (sequence) => cells[sequence]!.length - 1,
      memoryBytes: 0,
      dispose: () => Promise.resolve(),
    },
  };
}

type Command =
  | { readonly kind: 'take'; readonly prompt: readonly number[]; readonly exact: boolean }
  | { readonly kind: 'grow'; readonly which: number; readonly token: number }
  | { readonly kind: 'release'; readonly which: number }
  | { readonly kind: 'step' };

const tokens = fc.integer({ min: 1, max: 2 });
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant('take'),
    prompt: fc.array(tokens, { minLength: 1, maxLength: 10 }),
    exact: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('grow'), which: fc.nat(9), token: tokens }),
  fc.record({ kind: fc.constant('release'), which: fc.nat(9) }),
  fc.record({ kind: fc.constant('step') }),
) as fc.Arbitrary<Command>;

test('property: the table always knows what the context holds, through moves and copies', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 60 }), async (commands) => {
      const { context, cells } = fakeContext();
      const options = { context, slots: slotCount, contextTokens, copyMs: 1, gapMs: 0.4 };
      const table = createSlotTable(options);
      /** What each running sequence has been given so far. */
      const running: { readonly slot: Slot; readonly text: number[] }[] = [];
      const decode = (slot: Slot, added: readonly number[], exact: boolean): void => {
        cells[slot.id]!.push(...added);
        slot.append(Uint32Array.from(added), exact);
      };
      for (const each of commands) {
        if (each.kind === 'take') {
          const taken = await table.take({
            prompt: Uint32Array.from(each.prompt),
            exactChunkTokens: each.exact ? 2 : undefined,
            copyCostTokens: 1,
          });
          assert.equal(taken === undefined, running.length === slotCount);
          if (taken === undefined) continue;
          decode(taken.slot, each.prompt.slice(taken.reusedTokens), each.exact);
          running.push({ slot: taken.slot, text: [...each.prompt] });
        } else if (each.kind === 'step') {
          await table.stepped();
        } else {
          const one = running[each.which];
          if (one === undefined) continue;
          if (each.kind === 'release') {
            table.release(one.slot);
            running.splice(each.which, 1);
          } else if (one.slot.length < contextTokens) {
            decode(one.slot, [each.token], false);
            one.text.push(each.token);
          }
        }
        table.slots.forEach((slot, id) => {
          assert.equal(slot.id, id);
          assert.deepEqual([...slot.tokens.subarray(0, slot.length)], cells[id]);
          assert.ok(slot.exactLength <= slot.length);
        });
        for (const { slot, text } of running) {
          assert.equal(slot.busy, true);
          assert.deepEqual(cells[slot.id], text);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('gaps are closed after they have cost a copy, and the moved sequence keeps its slot object', async () => {
  const { context, cells } = fakeContext();
  const table = createSlotTable({
    context,
    slots: slotCount,
    contextTokens,
    copyMs: 1,
    gapMs: 0.4,
  });
  const taken: Slot[] = [];
  for (const first of [1, 2, 3]) {
    const got = await table.take({ prompt: Uint32Array.of(first), copyCostTokens: 1 });
    cells[got!.slot.id]!.push(first);
    got!.slot.append(Uint32Array.of(first), false);
    taken.push(got!.slot);
  }
  table.release(taken[1]!);
  await table.stepped();
  await table.stepped();
  assert.equal(taken[2]!.id, 2, 'not yet');
  await table.stepped();
  const ids = [taken[0]!.id, taken[2]!.id].sort();
  assert.equal(ids[1]! - ids[0]!, 1, 'adjacent');
  assert.deepEqual(cells[taken[2]!.id], [3]);
});

test('a memory that cannot be cut is emptied and computed again', async () => {
  const { context, cells } = fakeContext();
  const whole: NativeContext = {
    ...context,
    trim: (sequence, position) =>
      (position === 0 || position >= cells[sequence]!.length) && context.trim(sequence, position),
  };
  const table = createSlotTable({ context: whole, slots: 1, contextTokens, copyMs: 0, gapMs: 0 });
  const first = await table.take({ prompt: Uint32Array.of(1, 2, 3), copyCostTokens: 1 });
  cells[0]!.push(1, 2, 3);
  first!.slot.append(Uint32Array.of(1, 2, 3), false);
  table.release(first!.slot);
  const second = await table.take({ prompt: Uint32Array.of(1, 2, 9), copyCostTokens: 1 });
  assert.equal(second!.reusedTokens, 0);
  assert.deepEqual(cells[0], []);
});

test('the usage ratio counts running sequences only', async () => {
  const { context, cells } = fakeContext();
  const table = createSlotTable({ context, slots: slotCount, contextTokens, copyMs: 1, gapMs: 1 });
  const got = await table.take({ prompt: Uint32Array.of(1), copyCostTokens: 1 });
  cells[0]!.push(...new Array<number>(16).fill(1));
  got!.slot.append(new Uint32Array(16).fill(1), false);
  assert.equal(table.usageRatio, 16 / (slotCount * contextTokens));
  table.release(got!.slot);
  assert.equal(table.usageRatio, 0);
});
