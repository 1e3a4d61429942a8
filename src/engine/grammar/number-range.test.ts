import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadAddon } from '../../../test/fixtures/llama-addon.ts';
import { createGrammar } from './gbnf.ts';
import { type Bound, boundOf, compareBounds, numbersInRange } from './number-range.ts';

const addon = await loadAddon();

interface Limits {
  readonly min?: number;
  readonly max?: number;
  readonly minExclusive: boolean;
  readonly maxExclusive: boolean;
}

function bound(value: number | undefined, exclusive: boolean): Bound | undefined {
  return value === undefined ? undefined : boundOf(value, exclusive);
}

/** Whether llama.cpp lets a text through the range's grammar; undefined where the range is empty. */
function acceptor(limits: Limits, wholeOnly: boolean): ((text: string) => boolean) | undefined {
  const grammar = createGrammar('');
  const range = {
    min: bound(limits.min, limits.minExclusive),
    max: bound(limits.max, limits.maxExclusive),
  };
  const numbers = numbersInRange(grammar, range, wholeOnly);
  if (numbers === undefined) return undefined;
  const compiled = new addon.AddonGrammar(grammar.write(numbers));
  return (text) => compiled.isTextCompatible(text);
}

function isWithin(value: number, limits: Limits): boolean {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = limits;
  return (
    (limits.minExclusive ? value > min : value >= min) &&
    (limits.maxExclusive ? value < max : value <= max)
  );
}

function limitsOf(value: fc.Arbitrary<number>): fc.Arbitrary<Limits> {
  return fc
    .record(
      { min: value, max: value, minExclusive: fc.boolean(), maxExclusive: fc.boolean() },
      { requiredKeys: ['minExclusive', 'maxExclusive'] },
    )
    .filter(({ min, max }) => (min ?? -Infinity) <= (max ?? Infinity));
}

test('exactly the whole numbers in the range are let through', () => {
  fc.assert(
    fc.property(limitsOf(fc.integer({ min: -150, max: 150 })), (limits) => {
      const accepts = acceptor(limits, true);
      for (let value = -160; value <= 160; value++) {
        const expected = isWithin(value, limits);
        assert.equal(accepts?.(String(value)) ?? false, expected, `${value}`);
      }
    }),
    { numRuns: 60 },
  );
});

test('large whole numbers are compared digit by digit', () => {
  const large = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -10_000, max: 10_000 }));
  fc.assert(
    fc.property(limitsOf(large), fc.array(large), fc.constantFrom(-1, 0, 1), (limits, more, by) => {
      const accepts = acceptor(limits, true);
      const near = [limits.min, limits.max].flatMap((edge) =>
        edge === undefined ? [] : edge + by,
      );
      for (const value of [...near, ...more].filter(Number.isSafeInteger)) {
        assert.equal(accepts?.(String(value)) ?? false, isWithin(value, limits), `${value}`);
      }
    }),
    { numRuns: 200 },
  );
});

test('exactly the fractions in the range are let through, with and without trailing zeros', () => {
  const hundredths = fc.integer({ min: -320, max: 320 }).map((value) => value / 100);
  const thousandths = fc.integer({ min: -3300, max: 3300 });
  fc.assert(
    fc.property(
      limitsOf(hundredths),
      fc.array(thousandths, { minLength: 20 }),
      (limits, values) => {
        const accepts = acceptor(limits, false);
        for (const value of values.map((thousandth) => thousandth / 1000)) {
          const expected = isWithin(value, limits);
          const spelled = [String(value), value.toFixed(3), value.toFixed(5)];
          for (const text of spelled.filter((text) => !/^-0(\.0*)?$/.test(text))) {
            assert.equal(
              accepts?.(text) ?? false,
              expected,
              `${text} of ${JSON.stringify(limits)}`,
            );
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('bounds are decimal: 0.1 is 0.1, and what has too many digits is no bound', () => {
  assert.deepEqual(boundOf(-0.1, true), {
    negative: true,
    whole: '0',
    fraction: '1',
    exclusive: true,
  });
  assert.equal(boundOf(-0, false)?.negative, false);
  for (const value of [1e-12, 1e21, 0.1 + 0.2]) assert.equal(boundOf(value, false), undefined);
});

test('bounds are ordered by value', () => {
  const edge = fc.integer({ min: -10_000, max: 10_000 }).map((value) => value / 100);
  fc.assert(
    fc.property(edge, edge, (a, b) => {
      assert.equal(compareBounds(boundOf(a, false)!, boundOf(b, true)!), Math.sign(a - b));
    }),
  );
});
