import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Dialect, GenerationEvent } from './generation.ts';
import type { WireRead } from './ports.ts';
import { createWireEvents } from './wire-events.ts';

function readOf(bytes: Buffer): WireRead {
  return {
    buffer: bytes,
    start: 0,
    end: bytes.length,
    spans: Int32Array.of(0, bytes.length),
    spanCount: 1,
    wholeChunks: false,
  };
}

const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const chunk = (choice: object, more: object = {}) =>
  data({ choices: [{ index: 0, ...choice }], ...more });

function events(
  wire: string,
  dialect: Dialect = 'chat',
  cuts: readonly number[] = [],
): readonly GenerationEvent[] {
  const bytes = Buffer.from(wire);
  const reader = createWireEvents(dialect);
  const places = [...cuts].sort((a, b) => a - b);
  return [0, ...places].flatMap((from, i) =>
    reader.push(readOf(Buffer.from(bytes.subarray(from, places[i])))),
  );
}

const text = (channel: 'reasoning' | 'answer', value: string, choice = 0): GenerationEvent => ({
  kind: 'delta',
  choice,
  channel,
  text: value,
  logprobs: undefined,
});

describe('OpenAI wire to events', () => {
  const STREAM = [
    ': hi\n\n',
    chunk({ delta: { role: 'assistant', content: '' } }),
    chunk({ delta: { reasoning: 'h😀' } }),
    chunk({ delta: { reasoning_content: 'm', reasoning: 'm' } }),
    chunk({ delta: { content: 'ok' } }),
    chunk({ delta: {}, finish_reason: 'stop' }),
    data({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } }),
    'data: [DONE]\n\n',
  ].join('');
  const EXPECTED: readonly GenerationEvent[] = [
    text('reasoning', 'h😀'),
    text('reasoning', 'm'),
    text('answer', 'ok'),
    { kind: 'finish', choice: 0, reason: 'stop', cutInThought: false },
    {
      kind: 'usage',
      usage: { promptTokens: 3, completionTokens: 4, reasoningTokens: 0, cachedTokens: 0 },
    },
  ];

  it('reads both names of the thought, each once', () => {
    assert.deepEqual(events(STREAM), EXPECTED);
  });

  it('gives the same events however the bytes are cut', () => {
    const length = Buffer.byteLength(STREAM);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: length }), { maxLength: 30 }), (cuts) => {
        assert.deepEqual(events(STREAM, 'chat', cuts), EXPECTED);
      }),
    );
  });

  it('says which choice a limit cut in its thought (B11)', () => {
    const both = data({
      choices: [
        { index: 0, delta: { reasoning_content: 'a' }, finish_reason: 'length' },
        { index: 1, delta: { reasoning_content: 'b', content: 'c' }, finish_reason: 'length' },
      ],
    });
    const cut = events(both).flatMap((one) => (one.kind === 'finish' ? [one.cutInThought] : []));
    assert.deepEqual(cut, [true, false]);
  });

  it('reads legacy completions with their log-probabilities', () => {
    const logprobs = {
      tokens: ['a', 'é'],
      token_logprobs: [null, -0.5],
      top_logprobs: [null, { é: -0.5, b: -1 }],
      text_offset: [0, 1],
    };
    const [delta, finish] = events(
      chunk({ text: 'aé', logprobs, finish_reason: 'length' }),
      'completion',
    );
    assert.deepEqual(delta, {
      kind: 'delta',
      choice: 0,
      channel: 'answer',
      text: 'aé',
      logprobs: [
        { token: 'a', tokenId: -1, bytes: [97], logprob: null, top: [] },
        {
          token: 'é',
          tokenId: -1,
          bytes: [195, 169],
          logprob: -0.5,
          top: [
            { token: 'é', bytes: [195, 169], logprob: -0.5 },
            { token: 'b', bytes: [98], logprob: -1 },
          ],
        },
      ],
    });
    assert.deepEqual(finish, { kind: 'finish', choice: 0, reason: 'length', cutInThought: false });
  });

  it('reads chat log-probabilities, with the bytes and ids that are told', () => {
    const content = [
      {
        id: 9,
        token: '\ufffd',
        bytes: [240],
        logprob: -1,
        top_logprobs: [{ token: 'x', logprob: -2, bytes: null }],
      },
    ];
    const [delta] = events(chunk({ delta: { content: 'x' }, logprobs: { content } }));
    assert.deepEqual(delta?.kind === 'delta' && delta.logprobs, [
      {
        token: '\ufffd',
        tokenId: 9,
        bytes: [240],
        logprob: -1,
        top: [{ token: 'x', bytes: [120], logprob: -2 }],
      },
    ]);
  });

  it('maps other finish reasons and refuses those that are none', () => {
    const reason = (given: string) => {
      const [event] = events(chunk({ delta: {}, finish_reason: given }));
      return event?.kind === 'finish' ? event.reason : undefined;
    };
    assert.equal(reason('function_call'), 'tool_calls');
    assert.equal(reason('content_filter'), 'content_filter');
    assert.equal(reason('eos_token'), 'stop');
    assert.throws(() => reason('abort'), { code: 'upstream_cut' });
    assert.throws(() => reason('insufficient_system_resource'), { code: 'upstream_cut' });
  });

  it('throws for error events, malformed events and events without end', () => {
    assert.throws(() => events(data({ error: { message: 'boom' } })), /boom/);
    assert.throws(() => events('data: {"a\n\n'), /not JSON/);
    const reader = createWireEvents('chat');
    const part = readOf(Buffer.alloc(4_000_000, 'x'));
    assert.throws(() => {
      for (let i = 0; i < 10; i += 1) reader.push(part);
    }, /longer than/);
  });

  it('reads a whole body and refuses what is none', () => {
    const reader = createWireEvents('chat');
    const body = {
      choices: [
        { index: 0, message: { content: '4', reasoning_content: 'hm' }, finish_reason: 'stop' },
      ],
    };
    assert.deepEqual(reader.body(Buffer.from(JSON.stringify(body))), [
      text('reasoning', 'hm'),
      text('answer', '4'),
      { kind: 'finish', choice: 0, reason: 'stop', cutInThought: false },
    ]);
    for (const bad of ['', '[]', '{}', '{"choices":1}']) {
      assert.throws(() => reader.body(Buffer.from(bad)), { code: 'upstream_failed' });
    }
  });
});
