import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { callerRequestId, createIds } from './ids.ts';
import { createRandom } from './random.ts';

test('ids have their prefix and 24 unmistakable characters, and do not repeat', () => {
  const ids = createIds(createRandom(1));
  const seen = new Set<string>();
  for (let i = 0; i < 2_000; i += 1) {
    const id = ids.request();
    assert.match(id, /^req_[0-9a-hjkmnp-tv-z]{24}$/);
    seen.add(id);
  }
  assert.equal(seen.size, 2_000);
  assert.match(ids.chatCompletion(), /^chatcmpl-[0-9a-z]{24}$/);
  assert.match(ids.completion(), /^cmpl-[0-9a-z]{24}$/);
});

test('a caller keeps its own request id only where that is safe to repeat', () => {
  assert.equal(callerRequestId('trace/42:a'), 'trace/42:a');
  assert.equal(callerRequestId('x'.repeat(128)), 'x'.repeat(128));
  for (const bad of [
    undefined,
    '',
    'x'.repeat(129),
    'a b',
    'a\r\nset-cookie: x',
    'é',
    ['a', 'b'],
  ]) {
    assert.equal(callerRequestId(bad), undefined);
  }
});

test('whatever a caller sends, what comes back is visible ASCII', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 140 }), (header) => {
      const id = callerRequestId(header);
      if (id !== undefined) assert.match(id, /^[!-~]{1,128}$/);
    }),
  );
});
