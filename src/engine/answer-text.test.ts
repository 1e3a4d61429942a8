import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TokenLogprob } from '../protocol/generation.ts';
import { type AnswerPart, type AnswerTextOptions, createAnswerText } from './answer-text.ts';

const encoder = new TextEncoder();
const r1: AnswerTextOptions = {
  stop: [],
  placement: 'separate',
  startsInThought: true,
  thinkStart: '<think>',
  thinkEnd: '</think>',
  wantsLogprobs: false,
};
const plain: AnswerTextOptions = { ...r1, thinkStart: undefined, thinkEnd: undefined };

function joined(parts: readonly AnswerPart[], channel: AnswerPart['channel']): string {
  return parts
    .filter((part) => part.channel === channel)
    .map((part) => part.text)
    .join('');
}

function run(pieces: readonly Uint8Array[], options: AnswerTextOptions) {
  const text = createAnswerText(options);
  const parts = pieces.flatMap((piece) => text.push(piece));
  parts.push(...text.flush());
  return {
    reasoning: joined(parts, 'reasoning'),
    answer: joined(parts, 'answer'),
    stopped: text.stopped,
    parts,
  };
}

function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const marks = [0, ...cuts.map((at) => at % (bytes.length + 1)), bytes.length];
  marks.sort((a, b) => a - b);
  return marks.slice(1).map((mark, index) => bytes.slice(marks[index], mark));
}

function logprobOf(token: string, tokenId: number): TokenLogprob {
  return { token, tokenId, bytes: [...encoder.encode(token)], logprob: -1, top: [] };
}

/** Bytes of text with tags, stop strings and wide characters, sometimes with garbage within. */
const generated = fc
  .array(
    fc.oneof(
      fc
        .constantFrom('</think>', '\n', '<', 'STOP', 'ST', '你好', '😀', 'é', 'a')
        .map((text) => [...encoder.encode(text)]),
      fc.array(fc.nat(255), { maxLength: 3 }),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => Uint8Array.from(pieces.flat()));

const anyOptions = fc.record<AnswerTextOptions>({
  stop: fc.constantFrom<readonly string[]>([], ['STOP'], ['STOP', 'a'], ['你']),
  placement: fc.constantFrom('separate', 'inline'),
  startsInThought: fc.boolean(),
  thinkStart: fc.constant('<think>'),
  thinkEnd: fc.constant('</think>'),
  wantsLogprobs: fc.constant(false),
});

test('the result does not depend on how the bytes were cut into tokens', () => {
  fc.assert(
    fc.property(generated, anyOptions, fc.array(fc.nat(100)), (bytes, options, cuts) => {
      const whole = run([bytes], options);
      const pieces = run(cut(bytes, cuts), options);
      assert.deepEqual(
        [pieces.reasoning, pieces.answer, pieces.stopped],
        [whole.reasoning, whole.answer, whole.stopped],
      );
    }),
    { numRuns: 500 },
  );
});

test('whole text equals decoding, cutting at the tag and cutting at the stop string', () => {
  fc.assert(
    fc.property(generated, (bytes) => {
      const text = Buffer.from(bytes)
        .toString('utf8')
        .replace(/^\s*<think>|^[\r\n]+/, '');
      const end = text.indexOf('</think>');
      const afterTag = end < 0 ? '' : text.slice(end + 8).replace(/^[\r\n]+/, '');
      const stop = afterTag.indexOf('STOP');
      const result = run([bytes], { ...r1, stop: ['STOP'] });
      assert.equal(result.answer, stop < 0 ? afterTag : afterTag.slice(0, stop));
      assert.equal(result.stopped, stop < 0 ? undefined : 'STOP');
    }),
    { numRuns: 300 },
  );
});

test('a character split over tokens is given out whole, and an impossible one as U+FFFD', () => {
  const text = createAnswerText(plain);
  const [first, ...rest] = encoder.encode('你');
  assert.deepEqual(text.push(Uint8Array.of(first!)), []);
  assert.deepEqual(text.push(Uint8Array.from(rest)), [{ channel: 'answer', text: '你' }]);
  assert.deepEqual(text.push(Uint8Array.of(0xe4)), []);
  assert.equal(joined(text.push(encoder.encode('x')), 'answer'), '\ufffdx');
  assert.deepEqual(text.push(Uint8Array.of(0xf0, 0x9f)), []);
  assert.equal(joined(text.flush(), 'answer'), '\ufffd');
});

test('stop strings end the answer and not the thought', () => {
  const bytes = encoder.encode('a\n\nb</think>\n\nfirst\n\nsecond');
  const result = run(cut(bytes, [2, 9, 21]), { ...r1, stop: ['\n\n'] });
  assert.deepEqual([result.reasoning, result.answer, result.stopped], ['a\n\nb', 'first', '\n\n']);
});

test('after a stop string nothing comes out', () => {
  const text = createAnswerText({ ...plain, stop: ['.'] });
  assert.equal(joined(text.push(encoder.encode('one. two')), 'answer'), 'one');
  assert.deepEqual(text.push(encoder.encode('three')), []);
  assert.deepEqual(text.flush(), []);
  assert.equal(text.stopped, '.');
});

test('without tags the text is verbatim', () => {
  const source = '\n<think>\n</think>\n\n x';
  assert.equal(run([encoder.encode(source)], plain).answer, source);
});

test('inline placement puts the thought between its tags into the answer', () => {
  const inline: AnswerTextOptions = { ...r1, placement: 'inline' };
  const { reasoning, answer } = run([encoder.encode('hm\n</think>\n\nyes')], inline);
  assert.deepEqual([reasoning, answer], ['', '<think>\nhm\n</think>\n\nyes']);
  assert.equal(run([encoder.encode('hm\n</think>')], inline).answer, '<think>\nhm\n</think>\n\n');
  assert.equal(run([encoder.encode('hm\n')], inline).answer, '<think>\nhm\n');
});

test('the thought is known to be open or closed, and lengths count what was shown', () => {
  const text = createAnswerText(r1);
  assert.equal(text.inThought, true);
  text.push(encoder.encode('hm\n</think>'));
  assert.equal(text.inThought, false);
  text.push(encoder.encode('\n\nyes'));
  text.flush();
  assert.deepEqual([text.reasoningLength, text.answerLength], [2, 3]);
});

test('each token of the shown text has its log probability, in order, on the part that shows it', () => {
  const tokens = ['h', 'm.\n', '</think>', '\n\n', 'yes', '你', ' S', 'TOP'];
  const text = createAnswerText({ ...r1, stop: ['STOP'], wantsLogprobs: true });
  const parts = tokens.flatMap((token, id) =>
    text.push(encoder.encode(token), logprobOf(token, id)),
  );
  parts.push(...text.flush());
  const seen = parts.map((part) => [part.text, part.logprobs?.map((entry) => entry.tokenId)]);
  assert.deepEqual(seen, [
    ['h', [0]],
    ['m.', [1]],
    ['yes', [4]],
    ['你', [5]],
    [' ', [6]],
  ]);
});

test('tokens that share one character are reported with it', () => {
  const text = createAnswerText({ ...plain, wantsLogprobs: true });
  const bytes = encoder.encode('😀');
  const parts = [...bytes].flatMap((byte, id) =>
    text.push(Uint8Array.of(byte), logprobOf('\ufffd', id)),
  );
  assert.equal(parts.length, 1);
  assert.deepEqual(
    parts[0]?.logprobs?.map((entry) => entry.tokenId),
    [0, 1, 2, 3],
  );
});

test('no log probability is lost or repeated, whatever is held back', () => {
  fc.assert(
    fc.property(generated, fc.array(fc.nat(100)), (bytes, cuts) => {
      const text = createAnswerText({ ...plain, stop: ['STOQ'], wantsLogprobs: true });
      const pieces = cut(bytes, cuts).filter((piece) => piece.length > 0);
      const parts = pieces.flatMap((piece, id) => text.push(piece, logprobOf('t', id)));
      parts.push(...text.flush());
      assert.deepEqual(
        parts.flatMap((part) => part.logprobs?.map((entry) => entry.tokenId) ?? []),
        pieces.map((_, id) => id),
      );
    }),
    { numRuns: 300 },
  );
});
