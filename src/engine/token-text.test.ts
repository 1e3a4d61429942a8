import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadPocketVocabulary } from '../../test/fixtures/llama-addon.ts';
import { UnbusyError } from '../core/errors.ts';
import { createTokenText, type Vocabulary } from './token-text.ts';

const encoder = new TextEncoder();
const pocket = await loadPocketVocabulary();
const pocketSize = 2048;

function bytesOfText(text: string, parseSpecial: boolean): Buffer {
  const tokens = createTokenText(pocket, pocketSize);
  return Buffer.concat([...pocket.tokenize(text, parseSpecial)].map((id) => tokens.bytesOf(id)));
}

test('the bytes of any text’s tokens are the text’s UTF-8, on the real vocabulary', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      assert.equal(bytesOfText(text, false).toString('utf8'), text);
    }),
    { numRuns: 500 },
  );
});

test('Chinese, emoji, control characters and tags come out byte for byte', () => {
  for (const text of [
    '你好，世界。服务器繁忙',
    '👩‍👩‍👧‍👦 naïve café\u00ad\u0000\u007f\u0080',
    '\t\r\n  \u3000▁<0x41>',
    '<｜User｜>1 + 1<｜Assistant｜><think>\nhm\n</think>\n\n2<｜end▁of▁sentence｜>',
  ]) {
    assert.deepEqual(bytesOfText(text, true), Buffer.from(text));
    assert.deepEqual(bytesOfText(text, false), Buffer.from(text));
  }
});

test('control tokens are special, tags and text are not, and the end of sentence ends', () => {
  const tokens = createTokenText(pocket, pocketSize);
  const [end, think, letter] = pocket.tokenize('<｜end▁of▁sentence｜><think>a', true);
  assert.deepEqual([end!, think!, letter!].map(tokens.isSpecial), [true, false, false]);
  assert.deepEqual([end!, think!, letter!].map(tokens.isEndOfGeneration), [true, false, false]);
});

test('a token outside the vocabulary is refused before the native code sees it', () => {
  const tokens = createTokenText(pocket, pocketSize);
  for (const token of [-1, 2048, 1.5, Number.NaN, 2 ** 32]) {
    for (const ask of [tokens.bytesOf, tokens.isSpecial, tokens.isEndOfGeneration]) {
      assert.throws(() => ask(token), { code: 'invalid_token', kind: 'invalid_request' });
    }
  }
  assert.throws(
    () => tokens.check(2048, 'prompt[3]'),
    (error) =>
      error instanceof UnbusyError &&
      error.details.param === 'prompt[3]' &&
      error.message.includes('0 to 2047'),
  );
});

const sentencePiece: readonly (readonly [string, number, string])[] = [
  ['<unk>', 1, '<unk>'],
  ['<s>', 8, '<s>'],
  ['<0x0A>', 32, '\n'],
  ['▁Hello', 4, ' Hello'],
  ['▁▁', 4, '  '],
  ['<0x41>', 4, '<0x41>'],
  ['▁kept', 16, '▁kept'],
];

function fakeVocabulary(vocabularyType: number): Vocabulary {
  return {
    vocabularyType,
    tokenSpelling: (token) => sentencePiece[token]![0],
    tokenAttributes: (token) => sentencePiece[token]![1],
    isEndOfGeneration: () => false,
  };
}

test('SentencePiece and Unigram tokens: spaces, bytes and literal ones', () => {
  for (const type of [1, 4]) {
    const tokens = createTokenText(fakeVocabulary(type), sentencePiece.length);
    sentencePiece.forEach(([, , expected], token) => {
      assert.deepEqual(tokens.bytesOf(token), encoder.encode(expected));
      assert.equal(tokens.bytesOf(token), tokens.bytesOf(token));
    });
  }
});

test('a vocabulary of another kind is refused by name', () => {
  assert.throws(() => createTokenText(fakeVocabulary(3), 7), { code: 'model_unusable' });
});
