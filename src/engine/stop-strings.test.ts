import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createStopMatcher } from './stop-strings.ts';

function run(pieces: readonly string[], stops: readonly string[]) {
  const matcher = createStopMatcher(stops);
  const text = pieces.map((piece) => matcher.push(piece)).join('') + matcher.flush();
  return { text, stopped: matcher.stopped };
}

/** The specification: looked at after every character. */
function reference(text: string, stops: readonly string[]) {
  for (let end = 1; end <= text.length; end++) {
    const found = stops
      .filter((stop) => stop !== '' && text.slice(0, end).endsWith(stop))
      .sort((a, b) => b.length - a.length)[0];
    if (found !== undefined) return { text: text.slice(0, end - found.length), stopped: found };
  }
  return { text, stopped: undefined };
}

const letters = (maxLength: number) =>
  fc.array(fc.constantFrom('a', 'b', '\n', '好', '😀'), { maxLength }).map((all) => all.join(''));

test('the first stop string to be complete ends the text, over any borders', () => {
  fc.assert(
    fc.property(
      fc.array(letters(6), { maxLength: 12 }),
      fc.array(letters(4), { maxLength: 4 }),
      (pieces, stops) => {
        assert.deepEqual(run(pieces, stops), reference(pieces.join(''), stops));
      },
    ),
    { numRuns: 500 },
  );
});

test('only the tail that may still become a stop string is held back', () => {
  const matcher = createStopMatcher(['END', 'Enough']);
  assert.equal(matcher.push('the E'), 'the ');
  assert.equal(matcher.push('n'), '');
  assert.equal(matcher.push('d EN'), 'End ');
  assert.equal(matcher.push('D and more'), '');
  assert.equal(matcher.stopped, 'END');
  assert.equal(matcher.push('more'), '');
  assert.equal(matcher.flush(), '');
});

test('half a surrogate pair as a stop string never cuts a character in two', () => {
  assert.deepEqual(run(['😀'], ['\ude00']), { text: '😀', stopped: undefined });
});
