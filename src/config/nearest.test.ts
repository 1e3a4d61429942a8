import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nearest } from './nearest.ts';

test('the closest name is suggested, and none where nothing is close', () => {
  const names = ['serve', 'chat', 'config', 'key'];
  assert.equal(nearest('serv', names), 'serve');
  assert.equal(nearest('CHAT', names), 'chat');
  assert.equal(nearest('cofnig', names), 'config');
  assert.equal(nearest('frobnicate', names), undefined);
  assert.equal(nearest('x', []), undefined);
});

test('a known name is always its own nearest', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.stringMatching(/^[a-z]{1,9}$/), { minLength: 1 }), (names) => {
      for (const name of names) assert.equal(nearest(name, names), name);
    }),
  );
});
