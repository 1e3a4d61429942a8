import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadAddon } from '../../../test/fixtures/llama-addon.ts';
import { createGrammar, sequence, text } from './gbnf.ts';
import { jsonRules } from './json-text.ts';
import { grammarOfPattern, PatternError } from './pattern.ts';

const addon = await loadAddon();

/** Whether llama.cpp lets the JSON string of a text through the pattern's grammar. */
function acceptor(pattern: string): (value: string) => boolean {
  const grammar = createGrammar('');
  const content = grammarOfPattern(pattern, grammar, jsonRules(grammar));
  const compiled = new addon.AddonGrammar(grammar.write(sequence(text('"'), content, text('"'))));
  return (value) => compiled.isTextCompatible(JSON.stringify(value));
}

const atom = fc.constantFrom(
  ...['a', 'b', 'é', '"', '\\\\', '\\n', '.', '\\d', '\\W', '\\s', '[ab]', '[^a"]', '[\\w-]', '😀'],
);
const quantifier = fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{1,}', '{0,2}', '*?');

/** Random patterns of the supported kind; an optional part is never repeated without end. */
const patterns: fc.Arbitrary<string> = fc.letrec<{ term: string; body: string }>((tie) => ({
  term: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(atom, quantifier).map(([one, times]) => one + times),
    fc.tuple(tie('body'), fc.constantFrom('', '?')).map(([body, times]) => `(?:${body})${times}`),
  ),
  body: fc
    .array(fc.array(tie('term'), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 })
    .map((alternatives) => alternatives.map((terms) => terms.join('')).join('|')),
})).body;

const subjects = fc
  .array(fc.constantFrom('a', 'b', 'é', '"', '\\', '\n', '7', '-', ' ', '😀', '\u2028', '\u0001'), {
    maxLength: 6,
  })
  .map((letters) => letters.join(''));

test('a pattern’s grammar lets through exactly what the regular expression matches', () => {
  const anchored = fc
    .tuple(patterns, fc.boolean(), fc.boolean())
    .map(([body, start, end]) => `${start ? '^' : ''}(${body})${end ? '$' : ''}`);
  let matched = 0;
  fc.assert(
    fc.property(
      fc.oneof(anchored, patterns),
      fc.array(subjects, { minLength: 5, maxLength: 20 }),
      (pattern, values) => {
        const accepts = acceptor(pattern);
        const expression = new RegExp(pattern, 'u');
        for (const value of values) {
          if (expression.test(value)) matched++;
          assert.equal(
            accepts(value),
            expression.test(value),
            `/${pattern}/ ${JSON.stringify(value)}`,
          );
        }
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(matched > 200, `only ${matched} texts matched`);
});

test('anchors belong to their alternative', () => {
  const accepts = acceptor('^a$|b$|^c');
  const matches = ['a', 'b', 'xb', 'c', 'cx'].map(accepts);
  const misses = ['ab.', 'xa', 'bx', 'xc'].map(accepts);
  assert.deepEqual([matches, misses], [Array(5).fill(true), Array(4).fill(false)]);
});

test('what a grammar cannot express is refused in words', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['(?=a)b', /look-around/],
    ['(?<!a)b', /look-around/],
    ['(?i:a)', /group modifier/],
    ['\\bx', /\\b, which/],
    ['\\p{L}', /\\p, which/],
    ['(a)\\1', /\\1, which/],
    ['a^b', /\^ or \$/],
    ['(a$)', /\^ or \$/],
    ['a$b', /\^ or \$/],
    ['(a|b*)+', /may be empty/],
    ['[b-a]', /out of order/],
    ['[]', /no character/],
    ['\\ud83d', /surrogate/],
    ['a{3,2}', /most before least/],
    ['a{6000}', /longer than 2000 characters when written out/],
    ['a{1500}b{1500}', /longer than 2000 characters when written out/],
    ['((a{1,10}){1,10}b){3}', /counts within counts that make 300/],
    ['(', /not closed/],
    [')', /not open/],
    ['*', /nothing can be repeated/],
    ['a\\', /ends too early/],
    ['[a', /ends too early/],
    ['('.repeat(40) + ')'.repeat(40), /deeper than 32/],
    ['a'.repeat(2001), /longer than 2000/],
  ];
  for (const [pattern, message] of refused) {
    assert.throws(
      () => acceptor(pattern),
      (error) => error instanceof PatternError && message.test(error.message),
      pattern.slice(0, 50),
    );
  }
});

test('fuzz: any text is a grammar or refused in words', () => {
  const pieces = fc.constantFrom(...'ab\\^$.|?*+()[]{}-,0129:=!<>dwsu"', '\\u{1F600}', '(?:', '[^');
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      try {
        acceptor(parts.join(''));
      } catch (error) {
        assert.ok(error instanceof PatternError, `${parts.join('')}: ${error}`);
      }
    }),
    { numRuns: 2000 },
  );
});
