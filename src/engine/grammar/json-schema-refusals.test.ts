import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnbusyError } from '../../core/errors.ts';
import { grammarForSchema } from './json-schema.ts';

function object(properties: object, more: object = {}) {
  return { type: 'object', properties, ...more };
}

const base = 'response_format.json_schema.schema';
const endless = { type: 'object', properties: { n: { $ref: '#' } }, required: ['n'] };

const refusals: readonly (readonly [unknown, string, string])[] = [
  [object({ a: { not: {} } }), 'unsupported_schema', '.properties.a.not'],
  [object({ 'a b': { if: {} } }), 'unsupported_schema', '.properties["a b"].if'],
  [{ patternProperties: {} }, 'unsupported_schema', '.patternProperties'],
  [{ type: 'number', multipleOf: 2 }, 'unsupported_schema', '.multipleOf'],
  [{ type: 'array', uniqueItems: true }, 'unsupported_schema', '.uniqueItems'],
  [{ items: [{}] }, 'unsupported_schema', '.items'],
  [{ anyOf: [{}, { contains: {} }] }, 'unsupported_schema', '.anyOf[1].contains'],
  [{ $ref: 'https://example.org/x' }, 'unsupported_schema', '.$ref'],
  [{ $ref: '#/$defs/x' }, 'invalid_schema', '.$ref'],
  [{ $ref: '#/$defs/x', $defs: { x: { else: {} } } }, 'unsupported_schema', '.$defs.x.else'],
  [{ pattern: '(?=a)' }, 'unsupported_schema', '.pattern'],
  [{ pattern: '\\bword\\b' }, 'unsupported_schema', '.pattern'],
  [{ pattern: '(a)\\1' }, 'unsupported_schema', '.pattern'],
  [{ pattern: '(a*)*' }, 'unsupported_schema', '.pattern'],
  [{ pattern: '(^a)' }, 'unsupported_schema', '.pattern'],
  [{ pattern: 'a{9999}' }, 'unsupported_schema', '.pattern'],
  [{ pattern: '(' }, 'invalid_schema', '.pattern'],
  [{ pattern: 'a', maxLength: 3 }, 'unsupported_schema', '.maxLength'],
  [{ pattern: 'a', minLength: 0, maxLength: 3 }, 'unsupported_schema', '.minLength'],
  [{ pattern: 'a', format: 'date' }, 'unsupported_schema', '.format'],
  [{ format: 'iri' }, 'unsupported_schema', '.format'],
  [{ format: 'constructor' }, 'unsupported_schema', '.format'],
  [{ enum: ['a'], minLength: 1 }, 'unsupported_schema', '.minLength'],
  [{ minimum: 1e-12 }, 'unsupported_schema', '.minimum'],
  [{ minLength: 20_000 }, 'unsupported_schema', '.minLength'],
  [{ minItems: 2000 }, 'unsupported_schema', '.minItems'],
  [{ type: 'text' }, 'invalid_schema', '.type'],
  [{ type: [] }, 'invalid_schema', '.type'],
  [{ enum: [] }, 'invalid_schema', '.enum'],
  [{ type: 'string', enum: [1] }, 'invalid_schema', ''],
  [{ allOf: [{ type: 'string' }, { type: 'null' }] }, 'invalid_schema', ''],
  [{ anyOf: [] }, 'invalid_schema', '.anyOf'],
  [{ anyOf: {} }, 'invalid_schema', '.anyOf'],
  [{ minLength: 3, maxLength: 2 }, 'invalid_schema', '.minLength'],
  [{ minLength: -1 }, 'invalid_schema', '.minLength'],
  [{ minItems: 3, maxItems: 2 }, 'invalid_schema', '.minItems'],
  [{ items: false, minItems: 1 }, 'invalid_schema', '.minItems'],
  [{ minimum: 3, maximum: 2 }, 'invalid_schema', ''],
  [{ type: 'integer', minimum: 1.2, maximum: 1.8 }, 'invalid_schema', ''],
  [{ minimum: '3' }, 'invalid_schema', '.minimum'],
  [{ properties: [] }, 'invalid_schema', '.properties'],
  [{ properties: { a: 1 } }, 'invalid_schema', '.properties.a'],
  [{ required: 'a' }, 'invalid_schema', '.required'],
  [{ required: [1] }, 'invalid_schema', '.required[0]'],
  [object({}, { required: ['a'], additionalProperties: false }), 'invalid_schema', '.required[0]'],
  [{ properties: { a: false }, required: ['a'] }, 'invalid_schema', '.required[0]'],
  [false, 'invalid_schema', ''],
  [null, 'invalid_schema', ''],
  ['{}', 'invalid_schema', ''],
  [{ $ref: '#' }, 'invalid_schema', ''],
  [{ anyOf: [{ $ref: '#' }, { type: 'null' }] }, 'invalid_schema', ''],
  [endless, 'invalid_schema', ''],
];

test('what cannot be expressed or makes no sense is refused with its path', () => {
  for (const [schema, code, path] of refusals) {
    const shown = JSON.stringify(schema);
    assert.throws(
      () => grammarForSchema(schema),
      (error) => {
        assert.ok(error instanceof UnbusyError, `${shown}: ${error}`);
        assert.deepEqual([error.code, error.details.param], [code, base + path], shown);
        assert.equal(error.kind, 'invalid_request');
        return true;
      },
      shown,
    );
  }
});

test('large and deep schemas are refused, not served slowly', () => {
  const many = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`p${index}`, {}]));
  assert.throws(() => grammarForSchema(object(many)), { code: 'unsupported_schema' });
  let deep: unknown = { type: 'null' };
  for (let level = 0; level < 100; level++) deep = { type: 'array', items: deep };
  assert.throws(() => grammarForSchema(deep), { code: 'unsupported_schema', message: /nested/ });
  let chain: unknown = { type: 'null' };
  for (let level = 0; level < 100; level++) chain = { allOf: [chain] };
  assert.throws(() => grammarForSchema(chain), { code: 'unsupported_schema', message: /nested/ });
  const pair = { anyOf: [{ const: 1 }, { const: 2 }] };
  assert.throws(() => grammarForSchema({ allOf: Array.from({ length: 12 }, () => pair) }), {
    code: 'unsupported_schema',
    message: /alternatives/,
  });
});

test('schemas that grow as they are read are refused before they do', () => {
  const doubling = Object.fromEntries(
    Array.from({ length: 25 }, (_, index) => [
      `d${index}`,
      { allOf: [{ $ref: `#/$defs/d${index + 1}` }, { $ref: `#/$defs/d${index + 1}` }] },
    ]),
  );
  const $defs = { ...doubling, d25: { type: 'null' } };
  const refused = { code: 'unsupported_schema', message: /too many/ };
  assert.throws(() => grammarForSchema({ $ref: '#/$defs/d0', $defs }), refused);
  const values = Array.from({ length: 2000 }, (_, index) => index);
  const options = Array.from({ length: 200 }, (_, index) => ({
    type: 'string',
    title: `${index}`,
  }));
  assert.throws(() => grammarForSchema({ enum: values, anyOf: options }), refused);
  assert.throws(() => grammarForSchema({ enum: [...values, 'one more'] }), {
    message: /2000 values/,
  });
  assert.throws(() => grammarForSchema({ allOf: Array.from({ length: 300 }, () => ({})) }), {
    message: /256 schemas/,
  });
  const longName = { ['x'.repeat(50_000)]: { type: 'null' } };
  assert.throws(() => grammarForSchema(object(longName, { additionalProperties: true })), {
    message: /50000 characters/,
  });
});

test('the path of another field can be given', () => {
  assert.throws(() => grammarForSchema({ not: {} }, 'schema'), {
    details: { param: 'schema.not' },
  });
});
