import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { removeChunkFraming } from './chunk-framing.ts';

test('what was framed in chunks comes out as it was', () => {
  const extension = fc.constantFrom('', ';a=1', ' ; q');
  const chunks = fc.array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 300 }), extension));
  fc.assert(
    fc.property(chunks, fc.boolean(), (list, ended) => {
      const framed = list.flatMap(([bytes, extra]) => [
        Buffer.from(`${bytes.length.toString(16)}${extra}\r\n`),
        bytes,
        Buffer.from('\r\n'),
      ]);
      if (ended) framed.push(Buffer.from('0\r\n\r\n'));
      const expected = Buffer.concat(list.map(([bytes]) => bytes));
      assert.deepEqual(Buffer.from(removeChunkFraming(Buffer.concat(framed))), expected);
    }),
  );
});

test('half a chunk is refused rather than passed on', () => {
  for (const text of ['5\r\nabc', '5\r\nabcde', '5', 'x\r\nabc\r\n']) {
    assert.throws(() => removeChunkFraming(Buffer.from(text)), /not whole chunks/);
  }
});
