import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UnbusyError } from '../../core/errors.ts';
import { jsonErrorPosition, parseJsonObject } from './json-error.ts';

test('an error says where the text stops being JSON', () => {
  const cases: [string, number][] = [
    ['', 0],
    ['{', 1],
    ['{"a":1,}', 7],
    ['{"a" 1}', 5],
    ["{'a':1}", 1],
    ['{"a":x}', 5],
    ['{"a":01}', 6],
    ['{"a":"b}', 8],
    ['{"a":"\\q"}', 6],
    ['{"a":"\n"}', 6],
    ['[1,2', 4],
    ['{"a":[1}', 7],
    ['{} {}', 3],
    ['{"a":tru}', 5],
    ['{"a":-}', 5],
  ];
  for (const [text, position] of cases) {
    assert.throws(() => JSON.parse(text), SyntaxError, text);
    assert.equal(jsonErrorPosition(text), position, text);
  }
});

test('the message counts lines and columns from one', () => {
  assert.throws(
    () => parseJsonObject('{\n  "a": oops\n}'),
    (error) => {
      assert.ok(error instanceof UnbusyError);
      assert.equal(error.code, 'invalid_json');
      assert.match(error.message, /found "o" at position 9 \(line 2, column 8\)/);
      return true;
    },
  );
});

test('a body must be an object', () => {
  for (const text of ['[]', 'null', '"x"', '1']) {
    assert.throws(() => parseJsonObject(text), /must be a JSON object/);
  }
  assert.deepEqual(parseJsonObject(' {"a":1} '), { a: 1 });
});

test('the scanner finds fault exactly where JSON.parse does', () => {
  const damaged = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom('', '"', '{', '}', ',', ':', '\\', 'x', '0'))
    .map(([json, at, insert]) => {
      const cut = at % (json.length + 1);
      return json.slice(0, cut) + insert + json.slice(cut + (at % 3));
    });
  fc.assert(
    fc.property(damaged, (text) => {
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      const position = jsonErrorPosition(text);
      assert.ok(position >= 0 && position <= text.length);
      // What is before the position can go on as JSON, and a valid text is scanned to its end.
      if (valid) assert.equal(position, text.length);
      else assert.equal(jsonErrorPosition(text.slice(0, position)), position);
    }),
    { numRuns: 500 },
  );
});

test('a string of many megabytes does not overflow the stack', () => {
  const text = `{"a":"${'x'.repeat(20_000_000)}",}`;
  assert.equal(jsonErrorPosition(text), text.length - 1);
});

test('a body that is nested too deep is refused before anything recurses into it', () => {
  const nested = (levels: number) => `{"metadata":${'['.repeat(levels)}${']'.repeat(levels)}}`;
  assert.ok(parseJsonObject(nested(500)));
  for (const levels of [512, 100_000]) {
    assert.throws(() => parseJsonObject(nested(levels)), {
      kind: 'invalid_request',
      message: /nested more than 512 levels deep/,
    });
  }
});
