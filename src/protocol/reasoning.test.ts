import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createInlineThought,
  createThinkSplitter,
  r1ThinkTags,
  splitThought,
  type ThoughtPart,
} from './reasoning.ts';

/** Text rich in tags, pieces of tags and newlines. */
const tagText = fc
  .array(
    fc.oneof(
      fc.constantFrom('<think>', '</think>', '<think', '</', '<', 'think>', '\n', '\r\n', ' ', 'a'),
      fc.string({ unit: 'grapheme', maxLength: 3 }),
    ),
    { maxLength: 14 },
  )
  .map((pieces) => pieces.join(''));

function run(pieces: readonly string[], startsInThought: boolean) {
  const splitter = createThinkSplitter({ ...r1ThinkTags, startsInThought });
  const parts = pieces.flatMap((piece) => splitter.push(piece));
  const before = splitter.inThought;
  parts.push(...splitter.flush());
  return { parts, reasoning: join(parts, 'reasoning'), answer: join(parts, 'answer'), before };
}

function join(parts: readonly ThoughtPart[], channel: ThoughtPart['channel']): string {
  return parts
    .filter((part) => part.channel === channel)
    .map((part) => part.text)
    .join('');
}

/** The specification, written as one regular expression over the whole text. */
function reference(text: string, startsInThought: boolean) {
  const opening = /^\s*<think>/.exec(text);
  if (opening === null && !startsInThought) return { reasoning: '', answer: text };
  const rest = text.slice(opening?.[0].length ?? 0).replace(/^[\r\n]+/, '');
  const end = rest.indexOf('</think>');
  if (end < 0) return { reasoning: rest, answer: '' };
  return {
    reasoning: rest.slice(0, end).replace(/[\r\n]+$/, ''),
    answer: rest.slice(end + '</think>'.length).replace(/^[\r\n]+/, ''),
  };
}

const examples: readonly (readonly [string, boolean, string, string])[] = [
  ['<think>\nhm\n</think>\n\nyes', false, 'hm', 'yes'],
  ['hm\n</think>\n\nyes', true, 'hm', 'yes'],
  ['<think>\nhm</think>yes', true, 'hm', 'yes'],
  ['\n<think>hm</think>yes', false, 'hm', 'yes'],
  ['<think>\n\n</think>\n\nyes', false, '', 'yes'],
  ['\n</think>\n\nyes', true, '', 'yes'],
  ['plain', false, '', 'plain'],
  ['plain', true, 'plain', ''],
  ['say </think> and <think>', false, '', 'say </think> and <think>'],
  ['<think>a</think>b</think>c<think>d', false, 'a', 'b</think>c<think>d'],
  ['<think>a\n\nb\n', false, 'a\n\nb\n', ''],
  ['<think>a</thin', false, 'a</thin', ''],
  ['<thin', false, '', '<thin'],
  ['', true, '', ''],
];

test('thought and answer are told apart wherever the opening tag is', () => {
  for (const [text, startsInThought, reasoning, answer] of examples) {
    const result = run([...text], startsInThought);
    assert.deepEqual([result.reasoning, result.answer], [reasoning, answer], JSON.stringify(text));
  }
});

test('the result does not depend on how the text was cut, and equals the specification', () => {
  fc.assert(
    fc.property(tagText, fc.boolean(), fc.array(fc.nat(80)), (text, startsInThought, cuts) => {
      const expected = reference(text, startsInThought);
      const marks = [0, ...cuts.map((cut) => Math.min(cut, text.length)), text.length];
      marks.sort((a, b) => a - b);
      const pieces = marks.slice(1).map((mark, index) => text.slice(marks[index], mark));
      for (const way of [[text], pieces, [...text]]) {
        const { reasoning, answer } = run(way, startsInThought);
        assert.deepEqual({ reasoning, answer }, expected);
      }
    }),
    { numRuns: 500 },
  );
});

test('every part says where in the pushed text it begins', () => {
  fc.assert(
    fc.property(tagText, fc.boolean(), (text, startsInThought) => {
      for (const part of run([...text], startsInThought).parts) {
        assert.notEqual(part.text, '');
        assert.equal(text.slice(part.at, part.at + part.text.length), part.text);
      }
    }),
  );
});

test('only what may still become a tag is held back', () => {
  const splitter = createThinkSplitter({ ...r1ThinkTags, startsInThought: true });
  assert.equal(join(splitter.push('one < two'), 'reasoning'), 'one < two');
  assert.equal(join(splitter.push(' three\n</thi'), 'reasoning'), ' three');
  assert.equal(splitter.inThought, true);
  assert.equal(join(splitter.push('s'), 'reasoning'), '\n</this');
  assert.equal(join(splitter.push('\n'.repeat(100)), 'reasoning'), '\n'.repeat(36));
  assert.deepEqual(splitter.push('</think>'), []);
  assert.equal(splitter.inThought, false);
  assert.equal(join(splitter.push('\nx'), 'answer'), 'x');
});

test('whole text with only a closing tag is a thought and an answer', () => {
  assert.deepEqual(splitThought('hm\n</think>\n\nyes', r1ThinkTags), {
    reasoning: 'hm',
    answer: 'yes',
  });
  assert.deepEqual(splitThought('<think>\na</think>b', r1ThinkTags), {
    reasoning: 'a',
    answer: 'b',
  });
  assert.deepEqual(splitThought('yes', r1ThinkTags), { reasoning: '', answer: 'yes' });
});

test('inline placement writes thought and answer as R1 does, and splits back into the same', () => {
  fc.assert(
    fc.property(tagText, (text) => {
      const { parts, reasoning, answer, before } = run([...text], true);
      const inline = createInlineThought(r1ThinkTags);
      const joined = parts.map((part) => inline.push(part)).join('') + inline.finish(before);
      if (reasoning === '') return assert.equal(joined, answer);
      const again = run([joined], false);
      assert.deepEqual([again.reasoning, again.answer], [reasoning, answer]);
    }),
  );
  const inline = createInlineThought(r1ThinkTags);
  assert.equal(inline.push({ channel: 'reasoning', text: 'hm' }), '<think>\nhm');
  assert.equal(inline.finish(true), '');
  assert.equal(inline.finish(false), '\n</think>\n\n');
  assert.equal(inline.push({ channel: 'answer', text: 'yes' }), '\n</think>\n\nyes');
});
