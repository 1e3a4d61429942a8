import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type EventKind, SseScanner } from './sse-scanner.ts';
import { EventSplitter } from './sse-splitter.ts';

/** Cuts the pieces into events and shows them to a scanner, holding back what is not complete. */
function scan(pieces: readonly (string | Uint8Array)[]): {
  readonly scanner: SseScanner;
  readonly kinds: EventKind[];
  readonly events: string[];
  readonly rest: string;
} {
  const splitter = new EventSplitter();
  const scanner = new SseScanner();
  const kinds: EventKind[] = [];
  const events: string[] = [];
  let held = Buffer.alloc(0);
  for (const piece of pieces) {
    const bytes = Buffer.from(piece);
    let at = 0;
    while (at < bytes.length) {
      const end = splitter.next(bytes, at, bytes.length);
      const upTo = end < 0 ? bytes.length : end;
      held = Buffer.concat([held, bytes.subarray(at, upTo)]);
      at = upTo;
      if (end < 0) continue;
      kinds.push(scanner.readEvent(held, 0, held.length, splitter.eventLines));
      events.push(held.toString());
      held = Buffer.alloc(0);
    }
  }
  return { scanner, kinds, events, rest: held.toString() };
}

const chunk = (choice: object, more: object = {}) =>
  `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'r1', choices: [{ index: 0, finish_reason: null, ...choice }], ...more })}\n\n`;
const answer = (content: string) => chunk({ delta: { content } });

describe('SSE scanner', () => {
  it('keeps the marks of a stream with a thought, an answer and usage', () => {
    const { scanner, kinds } = scan([
      ': keep-alive\n\n',
      chunk({ delta: { role: 'assistant', content: '' } }),
      chunk({ delta: { reasoning: 'hm' } }),
      answer('4'),
      chunk({ delta: {}, finish_reason: 'stop' }),
      'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_cache_hit_tokens":8}}\n\n',
      'data: [DONE]\n\n',
    ]);
    assert.deepEqual(kinds, ['comment', 'chunk', 'chunk', 'chunk', 'chunk', 'chunk', 'done']);
    assert.equal(scanner.events, 6);
    assert.equal(scanner.contentEvents, 2);
    assert.equal(scanner.sawReasoning, true);
    assert.equal(scanner.sawAnswer, true);
    assert.equal(scanner.finishReason, 'stop');
    assert.equal(scanner.finishedChoices, 1);
    assert.equal(scanner.done, true);
    assert.equal(scanner.model, 'r1');
    assert.equal(scanner.id, 'c1');
    assert.deepEqual(scanner.usage, {
      promptTokens: 9,
      completionTokens: 2,
      reasoningTokens: 0,
      cachedTokens: 8,
    });
    assert.equal(scanner.cutInThought, false);
  });

  it('is not fooled by words inside of content (B4)', () => {
    const { scanner } = scan([
      answer('"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'),
      answer('{"error":{"message":"x"},"usage":{"prompt_tokens":1}}'),
      chunk({ delta: { content: '', role: 'assistant "reasoning_content":"x"' } }),
    ]);
    assert.equal(scanner.finishReason, undefined);
    assert.equal(scanner.done, false);
    assert.equal(scanner.errorEvent, undefined);
    assert.equal(scanner.usage, undefined);
    assert.equal(scanner.sawReasoning, false);
    assert.equal(scanner.events, 3);
  });

  it('takes neither a role nor an empty delta for first content', () => {
    const { scanner } = scan([
      chunk({ delta: { role: 'assistant', content: '', reasoning_content: null, tool_calls: [] } }),
      chunk({ delta: {} }),
    ]);
    assert.equal(scanner.firstContent, false);
    for (const delta of [
      { content: 'x' },
      { reasoning: 'x' },
      { reasoning_content: 'x' },
      { tool_calls: [{ index: 0 }] },
      { refusal: 'no' },
    ]) {
      assert.equal(scan([chunk({ delta })]).scanner.firstContent, true, JSON.stringify(delta));
    }
    assert.equal(scan([chunk({ text: 'x' })]).scanner.firstContent, true);
  });

  it('knows a limit that ended the answer in its thought (B11)', () => {
    const thought = chunk({ delta: { reasoning_content: 'hm' } });
    const end = chunk({ delta: {}, finish_reason: 'length' });
    assert.equal(scan([thought, end]).scanner.cutInThought, true);
    assert.equal(scan([thought, answer('x'), end]).scanner.cutInThought, false);
    assert.equal(scan([end]).scanner.cutInThought, false);
  });

  it('counts the choices that have their finish reason', () => {
    const both = (first: string | null, second: string | null) =>
      `data: ${JSON.stringify({
        choices: [
          { index: 1, text: 'a', finish_reason: first },
          { index: 0, text: 'b', finish_reason: second },
        ],
      })}\n\n`;
    assert.equal(scan([both(null, 'stop')]).scanner.finishedChoices, 1);
    assert.equal(scan([both(null, 'stop'), both('length', null)]).scanner.finishedChoices, 2);
  });

  it('keeps the last usage of many (usage with every chunk)', () => {
    const usage = (n: number) => ({ usage: { prompt_tokens: 1, completion_tokens: n } });
    const { scanner } = scan([
      chunk({ delta: { content: 'a' } }, usage(1)),
      chunk({ delta: { content: 'b' } }, usage(2)),
    ]);
    assert.equal(scanner.usage?.completionTokens, 2);
  });

  const KINDS: readonly (readonly [string, string, EventKind])[] = [
    ['nested error', 'data: {"error":{"message":"boom","code":500}}\n\n', 'error'],
    ['error as a bare string', 'data: {"error":"boom"}\n\n', 'error'],
    ['flat error', 'data: {"object":"error","message":"boom"}\n\n', 'error'],
    ['event: error', 'event: error\ndata: {"message":"boom"}\n\n', 'error'],
    ['error: null is none', 'data: {"choices":[],"error":null}\n\n', 'chunk'],
    ['half a JSON object', 'data: {"choices":[\n\n', 'malformed'],
    ['text', 'data: hello\n\n', 'malformed'],
    ['two objects', 'data: {}{}\n\n', 'malformed'],
    ['no data', 'data:\n\n', 'empty'],
    ['a comment', ': x\n\n', 'comment'],
    ['comments and data', ': x\ndata: {"choices":[]}\n\n', 'chunk'],
    ['other fields', 'retry: 5\nid: 7\n\n', 'comment'],
    ['an empty line', '\n', 'comment'],
    ['data in several lines', 'data: {"choices":\ndata: []}\n\n', 'chunk'],
    ['no space after data:', 'data:{"choices":[]}\n\n', 'chunk'],
    ['CR LF', 'data: {"choices":[]}\r\n\r\n', 'chunk'],
    ['CR', 'data: {"choices":[]}\r\r', 'chunk'],
    ['mixed line ends', 'data: {"choices":[]}\n\r\n', 'chunk'],
    ['a byte order mark', '\ufeffdata: {"choices":[]}\n\n', 'chunk'],
    ['DONE without a space', 'data:[DONE]\n\n', 'done'],
  ];
  for (const [name, wire, kind] of KINDS) {
    it(`knows ${name}, at every split point`, () => {
      for (let cut = 0; cut <= wire.length; cut += 1) {
        const { kinds, rest } = scan([wire.slice(0, cut), wire.slice(cut)]);
        assert.deepEqual(kinds, [kind], `cut at ${cut}`);
        // The LF of a CR LF that was cut belongs to what follows.
        assert.ok(rest === '' || rest === '\n');
      }
    });
  }

  it('finds the same events and marks however the bytes are cut', () => {
    const eol = fc.constantFrom('\n', '\r\n', '\r');
    const line = fc.constantFrom(
      'data: {"choices":[{"index":0,"delta":{"content":"é😀\\n\\n"}}]}',
      'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
      'data:',
      ': ping',
      'event: x',
      'data: [DONE]',
      'data: {broken',
    );
    const event = fc.tuple(fc.array(line, { minLength: 1, maxLength: 3 }), eol);
    const stream = fc
      .array(event, { maxLength: 12 })
      .map((events) =>
        events.map(([lines, end]) => lines.map((one) => one + end).join('') + end).join(''),
      );
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 20 }), (wire, cuts) => {
        const bytes = Buffer.from(wire);
        const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort(
          (a, b) => a - b,
        );
        const pieces = [0, ...places].map((from, i) => bytes.subarray(from, places[i]));
        const whole = scan([bytes]);
        const cut = scan(pieces);
        assert.deepEqual(cut.kinds, whole.kinds);
        assert.equal(cut.events.join('') + cut.rest, wire);
        assert.equal(cut.scanner.contentEvents, whole.scanner.contentEvents);
        assert.equal(cut.scanner.malformed, whole.scanner.malformed);
      }),
      { numRuns: 500 },
    );
  });
});
