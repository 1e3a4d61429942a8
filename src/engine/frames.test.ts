import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFrameReader, encodeFrame, frameBytesMax } from './frames.ts';

/** Messages read from `bytes` cut at `cuts`. */
function readCut(bytes: Buffer, cuts: readonly number[]): unknown[] {
  const messages: unknown[] = [];
  const reader = createFrameReader((message) => messages.push(message));
  const ends = [...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
  let from = 0;
  for (const end of ends) {
    reader.push(bytes.subarray(from, end));
    from = end;
  }
  return messages;
}

test('property: messages come out whole and in order however the bytes are cut', () => {
  const message = fc.record(
    { type: fc.string(), text: fc.string({ unit: 'grapheme' }) },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.nat(400)), (messages, cuts) => {
      const bytes = Buffer.concat(messages.map(encodeFrame));
      assert.deepEqual(readCut(bytes, cuts), messages);
    }),
  );
});

test('every split point of two frames gives both', () => {
  const messages = [{ text: '<think>你好' }, { text: '' }];
  const bytes = Buffer.concat(messages.map(encodeFrame));
  for (let cut = 0; cut <= bytes.length; cut++) assert.deepEqual(readCut(bytes, [cut]), messages);
});

test('a length beyond the limit is a fault, not an allocation', () => {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(frameBytesMax + 1);
  const reader = createFrameReader(() => assert.fail('no message is there'));
  assert.throws(() => reader.push(header), RangeError);
});
