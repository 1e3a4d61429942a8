import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ChunkScan } from './wire-chunk.ts';
import { skipValue } from './wire-json.ts';

const scan = new ChunkScan();

/** Scans the text in the middle of a larger buffer, as it lies in a read. */
function scanText(text: string): { readonly sound: boolean; readonly bytes: Buffer } {
  const bytes = Buffer.from(`"}]},\n\n${text}{"choices":[{"delta":{"content":"x"}}],"error":{}}`);
  const start = 7;
  return { sound: scan.scan(bytes, start, start + Buffer.byteLength(text)), bytes };
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** Text that would fool a search for words. */
const trap = fc.constantFrom(
  '"finish_reason":"stop"',
  '},"finish_reason":"stop"}]}',
  '\\"finish_reason\\":\\"length\\"',
  '"error":{"message":"x"}',
  '"usage":{"prompt_tokens":1}',
  'data: [DONE]\n\n',
  '"reasoning":"',
  '\\',
  '\u2028</think>',
  '服务器繁忙',
  '😀',
  '\\u0022',
  '',
);
const text = fc
  .array(fc.oneof(trap, fc.string({ unit: 'binary' })), { maxLength: 4 })
  .map((parts) => parts.join(''));
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const delta = fc.record({
  role: optional(fc.constant('assistant')),
  content: optional(fc.oneof(text, fc.constant(null))),
  reasoning: optional(fc.oneof(text, fc.constant(null))),
  reasoning_content: optional(text),
  tool_calls: optional(
    fc.array(fc.record({ index: fc.nat(), function: fc.record({ name: text, arguments: text }) }), {
      maxLength: 2,
    }),
  ),
  refusal: optional(fc.constant(null)),
});
const choice = fc.record({
  index: fc.nat({ max: 20 }),
  delta: optional(delta),
  text: optional(text),
  logprobs: optional(fc.jsonValue()),
  finish_reason: optional(fc.constantFrom(null, 'stop', 'length', 'abort')),
  extra: optional(fc.jsonValue()),
});
const chunk = fc.record({
  id: optional(text),
  object: optional(fc.constantFrom('chat.completion.chunk', 'text_completion')),
  created: optional(fc.nat()),
  model: optional(text),
  choices: optional(fc.array(choice, { maxLength: 3 })),
  usage: optional(fc.constantFrom(null, { prompt_tokens: 3, completion_tokens: 4 })),
  error: optional(fc.constantFrom(null, 'text', { message: 'm' })),
  nested: optional(
    fc.constant({
      choices: [{ delta: { content: 'no' }, finish_reason: 'stop' }],
      usage: {},
      error: 1,
    }),
  ),
});
/** The same object with its members in any order and with any space between tokens. */
const written = fc
  .tuple(chunk, fc.integer({ min: 0, max: 3 }), fc.boolean())
  .map(([value, indent, reversed]) => {
    const flipped = reversed ? flip(value) : value;
    return { value, json: JSON.stringify(flipped, null, indent) };
  });

function flip(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(flip);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([k, v]) => [k, flip(v)]),
  );
}

function filled(value: unknown): boolean {
  return (typeof value === 'string' || Array.isArray(value)) && value.length > 0;
}

describe('chunk scan', () => {
  it('finds what JSON.parse finds, whatever the strings say', () => {
    fc.assert(
      fc.property(written, ({ value, json }) => {
        const { sound, bytes } = scanText(json);
        assert.equal(sound, true);
        const at = (start: number, end: number) =>
          start < 0 ? undefined : JSON.parse(bytes.toString('utf8', start, end));
        assert.deepEqual(at(scan.idStart, scan.idEnd), value.id);
        assert.deepEqual(at(scan.modelStart, scan.modelEnd), value.model);
        assert.deepEqual(at(scan.createdStart, scan.createdEnd), value.created);
        assert.deepEqual(at(scan.usageStart, scan.usageEnd), value.usage ?? undefined);
        assert.deepEqual(at(scan.errorStart, scan.errorEnd), value.error ?? undefined);
        const choices = value.choices ?? [];
        assert.equal(scan.hasChoices, value.choices !== undefined);
        assert.equal(scan.choiceCount, choices.length);
        const finished = choices.filter((one) => typeof one.finish_reason === 'string');
        assert.deepEqual(
          scan.finished,
          finished.map((one) => one.index),
        );
        assert.deepEqual(
          scan.finishReasons,
          finished.map((one) => one.finish_reason),
        );
        assert.equal(
          scan.hasAnswer,
          choices.some(
            (one) =>
              filled(one.text) || filled(one.delta?.content) || filled(one.delta?.tool_calls),
          ),
        );
        assert.equal(
          scan.hasReasoning,
          choices.some(
            (one) => filled(one.delta?.reasoning) || filled(one.delta?.reasoning_content),
          ),
        );
        assert.equal(
          scan.reasoningKeys.length,
          choices.filter(
            (one) =>
              one.delta?.reasoning !== undefined && one.delta.reasoning_content === undefined,
          ).length,
        );
        for (const start of scan.reasoningKeys) {
          assert.equal(bytes.toString('latin1', start - 1, start + 10), '"reasoning"');
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('takes choices that are no objects for what they are: nothing', () => {
    const { sound } = scanText('{"choices": [0, "x", {"finish_reason": "stop"}]}');
    assert.equal(sound, true);
    assert.deepEqual(scan.finishReasons, ['stop']);
  });

  it('takes exactly what JSON.parse takes for an object', () => {
    const damaged = fc
      .tuple(
        written,
        fc.nat(),
        fc.nat({ max: 3 }),
        fc.constantFrom('', '"', '\\', '{', '}', ',', 'x', '\n', '0', ':'),
      )
      .map(([{ json }, place, removed, inserted]) => {
        const at = place % (json.length + 1);
        return json.slice(0, at) + inserted + json.slice(at + removed);
      });
    fc.assert(
      fc.property(damaged, (json) => {
        // A lone surrogate has no UTF-8 form, so that its text does not come back from bytes.
        const read = Buffer.from(json).toString();
        assert.equal(scanText(json).sound, isObject(read), json);
      }),
      { numRuns: 2000 },
    );
  });

  const NUMBERS = [
    '0',
    '-0',
    '1',
    '10',
    '01',
    '-',
    '1.',
    '.1',
    '1.0',
    '1e5',
    '1e',
    '1E+5',
    '1e-',
    '+1',
    'NaN',
  ];
  const WORDS = [
    'true',
    'false',
    'null',
    'tru',
    'nul',
    'nulll',
    'True',
    '"a',
    '"\\x"',
    '"\\u12"',
    '"\\u12g4"',
    '"\t"',
    '',
  ];
  for (const value of [...NUMBERS, ...WORDS]) {
    it(`agrees with JSON.parse on the value ${JSON.stringify(value)}`, () => {
      assert.equal(scanText(`{"a":${value}}`).sound, isObject(`{"a":${value}}`));
    });
  }

  it('sees the flat error form and not a chunk whose object is another', () => {
    scanText('{"object":"error","message":"m","code":400}');
    assert.ok(scan.errorStart >= 0);
    scanText('{"object":"chat.completion.chunk","choices":[]}');
    assert.equal(scan.errorStart, -1);
  });

  it('gives up on nesting without end instead of overflowing the stack', () => {
    const deep = Buffer.from('['.repeat(100_000));
    assert.equal(skipValue(deep, 0, deep.length), -1);
  });
});
