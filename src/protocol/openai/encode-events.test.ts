import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GenerationEvent, TokenLogprob, Usage } from '../generation.ts';
import { createEventEncoder, type StreamForm, sseComment } from './encode-events.ts';

const usage: Usage = { promptTokens: 7, completionTokens: 5, reasoningTokens: 2, cachedTokens: 3 };
const wireUsage = {
  prompt_tokens: 7,
  completion_tokens: 5,
  total_tokens: 12,
  prompt_tokens_details: { cached_tokens: 3 },
  completion_tokens_details: { reasoning_tokens: 2 },
};

const chat: StreamForm = {
  dialect: 'chat',
  identity: { id: 'chatcmpl-1', created: 1_700_000_000 },
  model: 'say "r1"',
  wantsUsage: false,
  reasoning: { placement: 'separate' },
};

interface Chunk {
  readonly usage?: unknown;
  readonly choices: readonly {
    readonly index: number;
    readonly delta: Readonly<Record<string, string>>;
    readonly logprobs?: unknown;
  }[];
}

/** The chunks of an encoded stream, as a client reads them. */
function read(text: string): readonly Chunk[] {
  const events = text.split('\n\n');
  assert.equal(events.pop(), '', 'every event ends with an empty line');
  return events
    .filter((event) => !event.startsWith(':'))
    .map((event) => {
      assert.match(event, /^data: \{[^\n]*\}$/);
      return JSON.parse(event.slice('data: '.length));
    });
}

function delta(text: string, channel: 'reasoning' | 'answer' = 'answer', choice = 0) {
  return { kind: 'delta', choice, channel, text } as const;
}

function finish(choice = 0, cutInThought = false) {
  return {
    kind: 'finish',
    choice,
    reason: cutInThought ? 'length' : 'stop',
    cutInThought,
  } as const;
}

const logprob: TokenLogprob = {
  token: 'é',
  tokenId: 9,
  bytes: [195, 169],
  logprob: -0.5,
  top: [{ token: 'e', bytes: [101], logprob: -1 }],
};

test('a chat stream begins with the role and ends with an empty delta', () => {
  const encoder = createEventEncoder(chat);
  const text = encoder.events([delta('hm', 'reasoning'), delta('Hi'), finish()]);
  const constant = {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model: 'say "r1"',
  };
  const chunk = (of: object, finish_reason: string | null = null) => ({
    ...constant,
    choices: [{ index: 0, delta: of, finish_reason }],
  });
  assert.deepEqual(read(text), [
    chunk({ role: 'assistant', content: '' }),
    chunk({ reasoning_content: 'hm' }),
    chunk({ content: 'Hi' }),
    chunk({}, 'stop'),
  ]);
  assert.equal(encoder.end(usage, undefined), '');
});

test('usage is null in every chunk and told at the end, only when asked for', () => {
  const encoder = createEventEncoder({ ...chat, wantsUsage: true });
  const chunks = read(encoder.events([delta('Hi'), { kind: 'usage', usage }, finish()]));
  assert.equal(chunks.length, 3);
  for (const chunk of chunks) assert.equal(chunk.usage, null);
  const [last, ...rest] = read(encoder.end(usage, 'unbusy queue_ms=1'));
  assert.deepEqual(rest, []);
  assert.deepEqual(last?.choices, []);
  assert.deepEqual(last?.usage, wireUsage);
  assert.match(encoder.end(usage, 'a\nb'), /\n\n: a b\n\n$/);
});

test('each choice is introduced once, also where it says nothing', () => {
  const encoder = createEventEncoder(chat);
  const text =
    encoder.events([delta('a', 'answer', 1), delta('b')]) + encoder.events([finish(2), delta('c')]);
  const told = read(text).map(({ choices: [choice] }) => [choice?.index, choice?.delta]);
  assert.deepEqual(told, [
    [1, { role: 'assistant', content: '' }],
    [1, { content: 'a' }],
    [0, { role: 'assistant', content: '' }],
    [0, { content: 'b' }],
    [2, { role: 'assistant', content: '' }],
    [2, {}],
    [0, { content: 'c' }],
  ]);
});

test('an inline thought is written as R1 writes it, and left open where a limit cut it', () => {
  const inline: StreamForm = { ...chat, reasoning: { placement: 'inline' } };
  const content = (events: readonly GenerationEvent[]) =>
    read(createEventEncoder(inline).events(events))
      .map(({ choices }) => choices[0]?.delta['content'] ?? '')
      .join('');
  const thought = [delta('so', 'reasoning'), delta(' what', 'reasoning')];
  assert.equal(content([...thought, delta('42'), finish()]), '<think>\nso what\n</think>\n\n42');
  assert.equal(content([...thought, finish()]), '<think>\nso what\n</think>\n\n');
  assert.equal(content([...thought, finish(0, true)]), '<think>\nso what');
});

test('a thought that is not wanted leaves only the role behind', () => {
  const hidden: StreamForm = { ...chat, reasoning: { placement: 'separate', include: false } };
  const events = [delta('secret', 'reasoning'), delta('42'), finish()];
  const text = createEventEncoder(hidden).events(events);
  assert.doesNotMatch(text, /secret|reasoning/);
  assert.equal(read(text).length, 3);
});

test('log-probabilities take OpenAI’s form in chat and in completions', () => {
  const event = { ...delta('é'), logprobs: [logprob] };
  const [, inChat] = read(createEventEncoder(chat).events([event]));
  assert.deepEqual(inChat?.choices[0]?.logprobs, {
    content: [
      {
        token: 'é',
        logprob: -0.5,
        bytes: [195, 169],
        top_logprobs: [{ token: 'e', logprob: -1, bytes: [101] }],
      },
    ],
    refusal: null,
  });
  const first = { ...delta('😀'), logprobs: [{ ...logprob, token: '😀', logprob: null }] };
  const completion = createEventEncoder({ ...chat, dialect: 'completion' });
  const [start, next] = read(completion.events([first, event, finish()]));
  assert.deepEqual(start?.choices[0]?.logprobs, {
    tokens: ['😀'],
    token_logprobs: [null],
    top_logprobs: [null],
    text_offset: [0],
  });
  assert.deepEqual(next?.choices[0]?.logprobs, {
    tokens: ['é'],
    token_logprobs: [-0.5],
    top_logprobs: [{ e: -1, é: -0.5 }],
    text_offset: [1],
  });
});

test('an impossible token has a number in JSON', () => {
  const impossible = { ...delta('x'), logprobs: [{ ...logprob, logprob: -Infinity }] };
  for (const dialect of ['chat', 'completion'] as const) {
    const text = createEventEncoder({ ...chat, dialect }).events([impossible]);
    assert.match(text, /-9999/);
    assert.doesNotMatch(text, /"logprob":null|"token_logprobs":\[null\]/);
  }
});

test('a comment cannot break out of its line', () => {
  assert.equal(sseComment('a\r\ndata: {}\n\nb'), ': a data: {} b\n\n');
});

test('whatever the texts and however they are batched, the client reads them back', () => {
  const event = fc.record({
    choice: fc.nat(2),
    channel: fc.constantFrom('reasoning' as const, 'answer' as const),
    text: fc.string({ unit: 'binary' }),
  });
  fc.assert(
    fc.property(fc.array(fc.array(event)), (batches) => {
      const encoder = createEventEncoder(chat);
      const expected = new Map<string, string>();
      let text = '';
      for (const batch of batches) {
        for (const { choice, channel, text: said } of batch) {
          const key = `${choice} ${channel === 'answer' ? 'content' : 'reasoning_content'}`;
          expected.set(key, (expected.get(key) ?? '') + said);
        }
        text += encoder.events(batch.map((one) => ({ kind: 'delta', ...one })));
      }
      const seen = new Map<string, string>();
      for (const { choices } of read(text)) {
        for (const field of ['content', 'reasoning_content']) {
          const said = choices[0]?.delta[field];
          const key = `${choices[0]?.index} ${field}`;
          if (said) seen.set(key, (seen.get(key) ?? '') + said);
        }
      }
      for (const [key, said] of expected) assert.equal(seen.get(key) ?? '', said);
    }),
  );
});
