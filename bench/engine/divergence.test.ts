import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareAnswers, wilsonInterval } from './divergence.ts';

test('equal answers expose all their tokens and differ nowhere', () => {
  const found = compareAnswers([[1, 2, 3]], [[1, 2, 3]]);
  assert.deepEqual(
    [found.differing, found.tokensExposed, found.differingTokenShare, found.perThousand],
    [0, 3, 0, 0],
  );
});

test('only tokens up to the first difference could have been the first to differ', () => {
  const found = compareAnswers(
    [
      [1, 2, 3, 4],
      [5, 6],
    ],
    [
      [1, 9, 3, 8],
      [5, 6],
    ],
  );
  assert.equal(found.differing, 1);
  assert.equal(found.tokensExposed, 2 + 2);
  assert.equal(found.perThousand, 250);
  assert.equal(found.differingTokenShare, 2 / 6);
});

test('a longer answer differs where the other has ended', () => {
  assert.equal(compareAnswers([[1, 2]], [[1, 2, 3]]).tokensExposed, 3);
  assert.equal(compareAnswers([[1, 2]], [[1, 2, 3]]).differing, 1);
});

test("Wilson's interval of 0 in 100 ends at 3.7 %, and of 50 in 100 is 40.4 to 59.6 %", () => {
  assert.equal(wilsonInterval(0, 100).low, 0);
  assert.equal(wilsonInterval(0, 100).high.toFixed(3), '0.037');
  assert.deepEqual(
    Object.values(wilsonInterval(50, 100)).map((value) => value.toFixed(3)),
    ['0.404', '0.596'],
  );
});
