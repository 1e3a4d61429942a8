import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../core/clock.ts';
import { createLineBuffer } from './line-buffer.ts';

test('lines that come together are written together, none is lost and none is late', () => {
  const clock = createVirtualClock();
  const written: string[] = [];
  const lines = createLineBuffer((text) => written.push(text), clock);
  lines.write('a\n');
  lines.write('b\n');
  assert.deepEqual(written, []);
  clock.advance(110);
  assert.deepEqual(written, ['a\nb\n']);
  lines.write('c\n');
  lines.flush();
  clock.advance(1000);
  assert.deepEqual(written, ['a\nb\n', 'c\n']);
});

test('what is held is bounded', () => {
  const written: string[] = [];
  const lines = createLineBuffer((text) => written.push(text), createVirtualClock());
  const line = `${'x'.repeat(1023)}\n`;
  for (let i = 0; i < 100; i += 1) lines.write(line);
  lines.flush();
  assert.ok(written.length > 1);
  assert.equal(written.join(''), line.repeat(100));
});
