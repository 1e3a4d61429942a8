import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadAddon } from '../../../test/fixtures/llama-addon.ts';
import { grammarForSchema, jsonObjectGrammar } from './json-schema.ts';

const addon = await loadAddon();

function acceptor(schema: unknown): (text: string) => boolean {
  const gbnf = grammarForSchema(schema);
  const grammar = new addon.AddonGrammar(gbnf);
  return (text) => grammar.isTextCompatible(text);
}

interface Example {
  readonly name: string;
  readonly schema: unknown;
  /** Texts that llama.cpp lets through. */
  readonly yes: readonly string[];
  readonly no: readonly string[];
}

function object(properties: object, more: object = {}) {
  return { type: 'object', properties, ...more };
}

const examples: readonly Example[] = [
  {
    name: 'required and optional members keep their declared order',
    schema: object(
      { a: { type: 'integer' }, b: { type: 'string' }, c: { type: 'boolean' } },
      { required: ['b'], additionalProperties: false },
    ),
    yes: ['{"a":1,"b":"x","c":true}', '{"b":""}', '{"a": 1, "b": "x"}', '{"b":"","c":false}'],
    no: ['{}', '{"a":1}', '{"b":"x","a":1}', '{"b":"x","d":1}', '{"a":1,"b":"x",}', '{,"b":""}'],
  },
  {
    name: 'whitespace is at most one space after a colon or comma',
    schema: object({ a: { type: 'array', items: { type: 'null' } } }, { required: ['a'] }),
    yes: ['{"a":[null,null]}', '{"a": [null, null]}', '\n\n{"a":[]}'],
    no: ['{"a":  []}', '{ "a":[]}', '{"a":[ null]}', '{"a":\n[]}', '\n\n\n{"a":[]}', '{"a":[]} '],
  },
  {
    name: 'members not declared: none, any, or of one schema, never a declared name',
    schema: object({ name: { type: 'integer' } }, { additionalProperties: { type: 'string' } }),
    yes: ['{"name":1,"nam":"x","names":"y","":"z"}', '{"other":"x"}', '{}', '{"nome":"é\\n"}'],
    no: ['{"name":"x"}', '{"other":1}', '{"other":"x","name":1}', '{"n\\u0061me":"x"}'],
  },
  {
    name: 'a required name that is not declared takes what other members take',
    schema: object({ a: { type: 'null' } }, { required: ['z'] }),
    yes: ['{"z":[1]}', '{"a":null,"z":0}'],
    no: ['{"a":null}', '{"z":1,"y":1}'],
  },
  {
    name: 'an object without keywords is any object',
    schema: { type: 'object' },
    yes: ['{}', '{"a":{"b":[1,"x",null]}}'],
    no: ['[]', '{"a"}', '{"a":1,}'],
  },
  { name: 'true allows anything', schema: true, yes: ['1', '"x"', '[{}]'], no: ['', 'x'] },
  {
    name: 'enum and const, of all kinds',
    schema: { enum: ['a"b', 'é😀', 1, null, [1, { x: 2 }]] },
    yes: ['"a\\"b"', '"é😀"', '1', 'null', '[1,{"x":2}]'],
    no: ['"a"', '2', '[1]', '11'],
  },
  {
    name: 'enum is held to type',
    schema: { type: ['string', 'null'], enum: ['a', 1, null] },
    yes: ['"a"', 'null'],
    no: ['1'],
  },
  {
    name: 'lists of types and nullable',
    schema: { type: ['integer', 'string'], nullable: true },
    yes: ['-12', '"x"', 'null', '0'],
    no: ['1.5', 'true', '01', '-', '1e3'],
  },
  {
    name: 'numbers',
    schema: { type: 'number' },
    yes: ['0', '-0.5', '12.25', '1e10', '1.5E-7', '-3e+2'],
    no: ['.5', '1.', '+1', '00', '1e', 'NaN', '1e999'],
  },
  {
    name: 'arrays with bounds',
    schema: { type: 'array', items: { enum: [1] }, minItems: 2, maxItems: 3 },
    yes: ['[1,1]', '[1, 1, 1]'],
    no: ['[]', '[1]', '[1,1,1,1]', '[1,]'],
  },
  {
    name: 'tuples are complete unless minItems says less',
    schema: { prefixItems: [{ enum: [1] }, { enum: [2] }] },
    yes: ['[1,2]'],
    no: ['[]', '[1]', '[1,2,3]', '[2,1]'],
  },
  {
    name: 'tuples with fewer and with more elements',
    schema: { prefixItems: [{ enum: [1] }, { enum: [2] }], items: { enum: [3] }, minItems: 1 },
    yes: ['[1]', '[1,2]', '[1,2,3,3]'],
    no: ['[]', '[1,3]', '[1,2,4]'],
  },
  {
    name: 'maxItems cuts a tuple, minItems over its end asks for more',
    schema: {
      anyOf: [
        { prefixItems: [{ enum: [1] }, { enum: [2] }], maxItems: 1 },
        { prefixItems: [{ enum: [3] }], minItems: 2 },
      ],
    },
    yes: ['[1]', '[3,"x"]', '[3,1,2]'],
    no: ['[1,2]', '[3]', '[]'],
  },
  {
    name: 'string lengths count code points',
    schema: { type: 'string', minLength: 2, maxLength: 3 },
    yes: ['"ab"', '"😀😀😀"', '"\\n\\""', '"\\u0000x"'],
    no: ['"a"', '"abcd"', '"a', '"😀"', '"a\u0001"'],
  },
  {
    name: 'long strings are held to their length, too',
    schema: { type: 'string', minLength: 1500, maxLength: 3500 },
    yes: [`"${'x'.repeat(1500)}"`, `"${'好'.repeat(2400)}"`, `"${'x'.repeat(3500)}"`],
    no: [`"${'x'.repeat(1499)}"`, `"${'x'.repeat(3501)}"`],
  },
  {
    name: 'patterns are searched for unless anchored',
    schema: { type: 'string', pattern: 'a+b|^c$' },
    yes: ['"xaabx"', '"c"', '"ab"'],
    no: ['"xcx"', '"a"', '""'],
  },
  {
    name: 'patterns: classes, escapes, groups, counts',
    schema: { pattern: '^(?:[A-Z]{2}-)?\\d{3,}[^\\s"]\\\\\\u{1F600}.(x|yz)*$' },
    yes: ['"AB-1234a\\\\😀!"', '"123\\\\\\\\😀\\"xyzx"'],
    no: ['"A-123a\\\\😀!"', '"123 \\\\😀!"', '"123a\\\\😀!y"'],
  },
  {
    name: 'date, time, uuid and their kin',
    schema: object({
      d: { format: 'date' },
      t: { format: 'time' },
      s: { type: 'string', format: 'date-time' },
      u: { format: 'uuid' },
      e: { format: 'email', minLength: 1 },
      i: { format: 'ipv4' },
      l: { format: 'uri' },
    }),
    yes: [
      '{"d":"2024-02-29","t":"23:59:59.5Z","s":"2026-12-31T00:00:00+08:00"}',
      '{"u":"123e4567-e89b-12d3-a456-426614174000","e":"a.b+c@x-y.example.org"}',
      '{"i":"127.0.0.1","l":"https://example.org/a?b=c#d"}',
    ],
    no: [
      '{"d":"2023-02-29"}',
      '{"d":"1900-02-29"}',
      '{"d":"2024-04-31"}',
      '{"t":"24:00:00Z"}',
      '{"s":"2024-01-01"}',
      '{"u":"123e4567"}',
      '{"e":"a@b"}',
      '{"i":"256.0.0.1"}',
      '{"l":"no"}',
    ],
  },
  {
    name: 'whole numbers between bounds',
    schema: { type: 'integer', minimum: -12, exclusiveMaximum: 205 },
    yes: ['-12', '-1', '0', '9', '99', '100', '199', '204'],
    no: ['-13', '205', '1000', '-0', '007', '1.5'],
  },
  {
    name: 'fractions between bounds',
    schema: { type: 'number', exclusiveMinimum: 0, maximum: 1.25 },
    yes: ['0.1', '0.0001', '1', '1.0', '1.25', '1.2500', '1.2', '1.19999'],
    no: ['0', '0.0', '-0.5', '1.26', '1.2501', '2', '1e-3'],
  },
  {
    name: 'a number above a bound only',
    schema: { type: 'number', minimum: 3.5 },
    yes: ['3.5', '3.51', '4', '100.25', '3.9'],
    no: ['3.4', '3', '3.49', '0', '-4'],
  },
  {
    name: 'anyOf and oneOf, beside other keywords',
    schema: {
      type: 'object',
      properties: { kind: { type: 'string' } },
      required: ['kind'],
      oneOf: [
        { properties: { kind: { const: 'a' }, x: { type: 'integer' } }, required: ['x'] },
        { properties: { kind: { const: 'b' } } },
      ],
    },
    yes: ['{"kind":"a","x":1}', '{"kind":"b"}'],
    no: ['{"kind":"a"}', '{"kind":"c"}', '{"kind":"b","x":1}'],
  },
  {
    name: 'allOf merges objects, bounds and types',
    schema: {
      allOf: [
        object({ a: { type: 'number' } }, { required: ['a'] }),
        object({ a: { type: ['integer', 'null'], minimum: 3 }, b: { type: 'null' } }),
        { $ref: '#/$defs/more' },
      ],
      $defs: { more: object({ a: { maximum: 5 } }) },
    },
    yes: ['{"a":3}', '{"a":5,"b":null}'],
    no: ['{"a":2}', '{"a":6}', '{"a":3.5}', '{"a":null}', '{}'],
  },
  {
    name: 'allOf with a closed object closes the whole',
    schema: {
      allOf: [
        object({ a: { type: 'null' } }, { additionalProperties: false }),
        object({ b: { type: 'null' } }),
      ],
    },
    yes: ['{"a":null}', '{}'],
    no: ['{"b":null}'],
  },
  {
    name: 'recursion through $ref',
    schema: {
      $ref: '#/$defs/node',
      $defs: {
        node: object(
          {
            value: { type: 'integer' },
            children: { type: 'array', items: { $ref: '#/$defs/node' } },
            next: { anyOf: [{ $ref: '#' }, { type: 'null' }] },
          },
          { required: ['value'], additionalProperties: false },
        ),
      },
    },
    yes: [
      '{"value":1}',
      '{"value":1,"children":[{"value":2,"next":{"value":3}},{"value":4,"children":[]}],"next":null}',
    ],
    no: ['{"value":1,"children":[{}]}', '{"value":1,"next":{}}'],
  },
  {
    name: 'references with escapes and into odd names',
    schema: {
      $ref: '#/$defs/a~1b%20c',
      $defs: {
        'a/b c': { anyOf: [{ const: 1 }, { $ref: '#/$defs/list/0' }] },
        list: [{ const: 2 }],
      },
    },
    yes: ['1', '2'],
    no: ['3'],
  },
  {
    name: 'names that are JavaScript’s own',
    schema: JSON.parse(
      '{"type":"object","properties":{"__proto__":{"type":"null"},"constructor":{"type":"null"},"object":{"const":1},"value":{}},"additionalProperties":false}',
    ),
    yes: ['{"__proto__":null,"constructor":null,"object":1,"value":{"x":[]}}', '{}'],
    no: ['{"toString":null}', '{"object":2}'],
  },
  {
    name: 'annotations are passed over',
    schema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'T',
      description: 'd',
      default: 1,
      examples: [1],
      'x-order': 3,
      type: 'boolean',
    },
    yes: ['true', 'false'],
    no: ['null'],
  },
];

for (const { name, schema, yes, no } of examples) {
  test(`schema: ${name}`, () => {
    const accepts = acceptor(schema);
    for (const text of yes) assert.equal(accepts(text), true, `refused ${text}`);
    for (const text of no) assert.equal(accepts(text), false, `let through ${text}`);
  });
}

test('JSON mode is any object', () => {
  const grammar = new addon.AddonGrammar(jsonObjectGrammar);
  for (const text of ['{}', '{"a": [1, {"b": "\\\\"}], "c": null}', '\n{"a":1}']) {
    assert.equal(grammar.isTextCompatible(text), true, text);
  }
  for (const text of ['[]', '1', '{"a":}', '{} ', '']) {
    assert.equal(grammar.isTextCompatible(text), false, text);
  }
});
