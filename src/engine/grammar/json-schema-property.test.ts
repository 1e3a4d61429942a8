/**
 * Random schemas with random values: whatever conforms (by construction, and by ajv) is let through
 * in the grammar's spelling, and whatever ajv rejects is not.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { loadAddon } from '../../../test/fixtures/llama-addon.ts';
import { formatPatterns } from './formats.ts';
import { grammarForSchema } from './json-schema.ts';

const addon = await loadAddon();
/** `__proto__` is left to the examples: ajv does not look at members of that name. */
const ajv = new Ajv2020({
  strict: false,
  ownProperties: true,
  formats: Object.fromEntries(
    Object.entries(formatPatterns).map(([name, pattern]) => [name, new RegExp(pattern, 'u')]),
  ),
});

/** A schema and a way to make values for it. */
interface Sample {
  readonly schema: Record<string, unknown>;
  readonly values: fc.Arbitrary<unknown>;
}

const shortText = fc.string({ unit: 'binary', maxLength: 6 });
const names = fc.uniqueArray(
  fc.oneof(fc.constantFrom('a', 'ab', 'b', 'name', 'é', '"', '\n', 'constructor'), shortText),
  { maxLength: 4 },
);
const patterns: readonly (readonly [string, fc.Arbitrary<string>])[] = [
  '^[a-z]{2,4}$',
  '^(ab|c)+\\d?$',
  'x.y',
  '^[^"\\\\]*\\s$',
  '^\\w+(-\\w+){0,2}$',
  '[\\u4e00-\\u9fff]',
].map((pattern) => [pattern, fc.stringMatching(new RegExp(pattern, 'u'))] as const);

function numbersBetween(min: number, max: number, whole: boolean): fc.Arbitrary<number> {
  if (whole) return fc.integer({ min, max });
  const exact = fc.integer({ min: min * 1000, max: max * 1000 }).map((value) => value / 1000);
  return fc.oneof(exact, fc.integer({ min, max }));
}

const scalar: fc.Arbitrary<Sample> = fc.oneof(
  fc.constant<Sample>({ schema: { type: 'null' }, values: fc.constant(null) }),
  fc.constant<Sample>({ schema: { type: 'boolean' }, values: fc.boolean() }),
  fc.constant<Sample>({ schema: { type: 'string' }, values: shortText }),
  fc.constant<Sample>({ schema: { type: 'integer' }, values: fc.maxSafeInteger() }),
  fc.constant<Sample>({
    schema: { type: ['number', 'null'] },
    values: fc.oneof(numbersBetween(-1e6, 1e6, false), fc.constantFrom(1e21, 1e-7, -2.5e-9, null)),
  }),
  fc.tuple(fc.nat(4), fc.nat(4)).map<Sample>(([min, more]) => ({
    schema: { type: 'string', minLength: min, maxLength: min + more },
    values: fc.string({ unit: 'binary', minLength: min, maxLength: min + more }),
  })),
  fc
    .tuple(fc.integer({ min: -3000, max: 3000 }), fc.nat(3000), fc.boolean())
    .map<Sample>(([min, more, whole]) => ({
      schema: { type: whole ? 'integer' : 'number', minimum: min, maximum: min + more },
      values: numbersBetween(min, min + more, whole),
    })),
  fc.integer({ min: -200, max: 200 }).map<Sample>((bound) => ({
    schema: { type: 'number', exclusiveMinimum: bound / 8 },
    values: fc.integer({ min: 1, max: 100_000 }).map((steps) => (bound * 125 + steps) / 1000),
  })),
  fc.constantFrom(...patterns).map<Sample>(([pattern, values]) => ({
    schema: { type: 'string', pattern },
    values: values.filter((text) => text.isWellFormed()),
  })),
  fc.constantFrom(...Object.entries(formatPatterns)).map<Sample>(([format, pattern]) => ({
    schema: { type: 'string', format },
    values: fc.stringMatching(new RegExp(pattern, 'u')),
  })),
  fc
    .array(fc.oneof(shortText, fc.integer(), fc.constantFrom(null, true, [1, 'x'], { a: 1 })), {
      minLength: 1,
      maxLength: 4,
    })
    .map<Sample>((values) => ({ schema: { enum: values }, values: fc.constantFrom(...values) })),
);

function objectOf(parts: readonly (readonly [string, Sample, boolean])[], extra?: Sample): Sample {
  const properties = Object.fromEntries(parts.map(([name, { schema }]) => [name, schema]));
  const declared = Object.keys(properties);
  const byName = new Map(parts.map(([name, sample, required]) => [name, { sample, required }]));
  const members = declared.map((name) => {
    const part = byName.get(name)!;
    const value = part.sample.values.map((made) => [[name, made] as const]);
    return part.required ? value : fc.oneof(value, fc.constant([]));
  });
  const others =
    extra === undefined
      ? fc.constant([])
      : fc.array(
          fc.tuple(
            shortText.filter((name) => !byName.has(name) && !/^\d+$/.test(name)),
            extra.values,
          ),
          { maxLength: 2 },
        );
  return {
    schema: {
      type: 'object',
      properties,
      required: parts.filter(([, , required]) => required).map(([name]) => name),
      additionalProperties: extra === undefined ? false : extra.schema,
    },
    values: fc.tuple(...members, others).map((entries) => Object.fromEntries(entries.flat())),
  };
}

function arrayOf(item: Sample, min: number, max: number): Sample {
  return {
    schema: { type: 'array', items: item.schema, minItems: min, maxItems: max },
    values: fc.array(item.values, { minLength: min, maxLength: max }),
  };
}

function samples(depth: number): fc.Arbitrary<Sample> {
  if (depth === 0) return scalar;
  const inner = samples(depth - 1);
  return fc.oneof(
    scalar,
    names.chain((chosen) =>
      fc
        .tuple(
          fc.array(fc.tuple(inner, fc.boolean()), {
            minLength: chosen.length,
            maxLength: chosen.length,
          }),
          fc.option(inner, { nil: undefined }),
        )
        .map(([parts, extra]) =>
          objectOf(
            parts.map(([sample, required], index) => [chosen[index]!, sample, required] as const),
            extra,
          ),
        ),
    ),
    fc
      .tuple(inner, fc.nat(2), fc.nat(3))
      .map(([item, min, more]) => arrayOf(item, min, min + more)),
    fc.array(inner, { minLength: 1, maxLength: 3 }).map<Sample>((items) => ({
      schema: { type: 'array', prefixItems: items.map(({ schema }) => schema), items: false },
      values: fc.tuple(...items.map(({ values }) => values)),
    })),
    fc.array(inner, { minLength: 1, maxLength: 3 }).map<Sample>((options) => ({
      schema: { anyOf: options.map(({ schema }) => schema) },
      values: fc.oneof(...options.map(({ values }) => values)),
    })),
    fc.tuple(inner, inner, fc.boolean()).map<Sample>(([a, b, required]) => {
      const left = objectOf([['left', a, required]], { schema: {}, values: fc.constant(0) });
      const right = objectOf([['right', b, true]], { schema: {}, values: fc.constant(0) });
      return {
        schema: { allOf: [left.schema, right.schema] },
        values: objectOf([
          ['left', a, required],
          ['right', b, true],
        ]).values,
      };
    }),
  );
}

/** Keys that look like array indexes come first in a JavaScript object, whatever was declared. */
function hasIndexKey(schema: unknown): boolean {
  return JSON.stringify(schema, (key, value) => (/^\d+$/.test(key) ? '\uffff' : value)).includes(
    '\uffff',
  );
}

const sampleWithValues = samples(2).chain(({ schema, values }) =>
  fc.tuple(fc.constant(schema), fc.array(values, { minLength: 1, maxLength: 4 })),
);

/** The grammar's own spelling, and the one with a space after commas and colons. */
function spellings(value: unknown): readonly string[] {
  return [JSON.stringify(value), spaced(value)];
}

function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([key, part]) => `${JSON.stringify(key)}: ${spaced(part)}`,
  );
  return `{${members.join(', ')}}`;
}

test('values that conform are let through', () => {
  fc.assert(
    fc.property(sampleWithValues, ([schema, values]) => {
      fc.pre(!hasIndexKey(schema));
      const validate = ajv.compile(schema);
      const grammar = new addon.AddonGrammar(grammarForSchema(schema));
      for (const value of values) {
        fc.pre(validate(value));
        for (const text of spaceIsFree(schema) ? spellings(value) : [JSON.stringify(value)]) {
          assert.ok(grammar.isTextCompatible(text), `refused ${text}`);
        }
      }
    }),
    { numRuns: 250 },
  );
});

/** Enumerated lists and objects have the one spelling that they are written in. */
function spaceIsFree(schema: unknown): boolean {
  return !JSON.stringify(schema).includes('"enum"');
}

/** A value like `value` with something small changed in it. */
function mutated(value: unknown): fc.Arbitrary<unknown> {
  const other = fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    '',
    'zz',
    [],
    {},
    4001,
    '2024-13-01',
  );
  if (Array.isArray(value)) {
    return fc.oneof(
      other,
      other.map((more) => [...value, more]),
      fc.constant(value.slice(1)),
      ...value.map((part, index) => mutated(part).map((changed) => value.with(index, changed))),
    );
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    return fc.oneof(
      other,
      other.map((more) => ({ ...value, extra: more })),
      ...entries.map(([name]) =>
        fc.constant(Object.fromEntries(entries.filter(([key]) => key !== name))),
      ),
      ...entries.map(([name, part]) =>
        mutated(part).map((changed) =>
          Object.fromEntries(entries.map(([key, old]) => [key, key === name ? changed : old])),
        ),
      ),
    );
  }
  if (typeof value === 'string') {
    return fc.oneof(
      other,
      shortText.map((more) => value + more),
      fc.constant(value.slice(1)),
    );
  }
  if (typeof value === 'number') {
    return fc.oneof(
      other,
      fc.integer({ min: -4000, max: 4000 }).map((more) => value + more),
      fc.constant(value + 0.5),
    );
  }
  return other;
}

test('what ajv rejects is not let through', () => {
  const cases = sampleWithValues.chain(([schema, values]) =>
    fc.tuple(
      fc.constant(schema),
      fc.array(fc.oneof(...values.map(mutated)), { minLength: 6, maxLength: 12 }),
    ),
  );
  let rejected = 0;
  fc.assert(
    fc.property(cases, ([schema, values]) => {
      const validate = ajv.compile(schema);
      const grammar = new addon.AddonGrammar(grammarForSchema(schema));
      for (const value of values) {
        if (validate(value)) continue;
        rejected++;
        for (const text of spellings(value)) {
          assert.ok(!grammar.isTextCompatible(text), `let through ${text}`);
        }
      }
    }),
    { numRuns: 250 },
  );
  assert.ok(rejected > 500, `only ${rejected} values were rejected by ajv`);
});
