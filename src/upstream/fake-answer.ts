/**
 * What a fake engine says: the events of a stream or a whole JSON body, in the spelling of the
 * engine that it plays. Pure.
 */
import type { WireEngine } from '../protocol/wire-request.ts';

export interface FakeAnswer {
  /** Pieces of the thought, each a chunk of its own. */
  readonly reasoning?: readonly string[];
  readonly answer?: readonly string[];
  readonly finishReason?: string;
  /** Token counts instead of the number of pieces. */
  readonly usage?: Readonly<Record<string, unknown>>;
}

export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The parsed body; empty where there is none. */
  readonly body: Readonly<Record<string, unknown>>;
}

const ID = 'fake-1';
const CREATED = 1_750_000_000;
const DEFAULT_ANSWER: FakeAnswer = {
  reasoning: ['2 and 2', ' is 4.'],
  answer: ['The answer', ' is', ' 4.'],
};

/** The stream's events without `[DONE]`, each with its closing empty line. */
export function fakeEvents(
  engine: WireEngine,
  { path, body }: FakeRequest,
  given: FakeAnswer,
): readonly string[] {
  const chat = path.endsWith('/chat/completions');
  const { reasoning = [], answer = [], finishReason = 'stop' } = { ...DEFAULT_ANSWER, ...given };
  const choice = (content: object, finish: string | null = null): string =>
    event({ ...frame(chat, body), choices: [{ index: 0, ...content, finish_reason: finish }] });
  const thought = reasoningField(engine);
  const events = chat
    ? [
        choice({ delta: { role: 'assistant', content: '' } }),
        ...reasoning.map((text) => choice({ delta: { [thought]: text } })),
        ...answer.map((text) => choice({ delta: { content: text } })),
        choice({ delta: {} }, finishReason),
      ]
    : [
        ...[...reasoning, ...answer].map((text) => choice({ text })),
        choice({ text: '' }, finishReason),
      ];
  const options = body['stream_options'] as { include_usage?: boolean } | undefined;
  if (options?.include_usage) {
    events.push(event({ ...frame(chat, body), choices: [], usage: usageOf(given) }));
  }
  return events;
}

/** The answer as one JSON body. */
export function fakeBody(
  engine: WireEngine,
  { path, body }: FakeRequest,
  given: FakeAnswer,
): string {
  const chat = path.endsWith('/chat/completions');
  const { reasoning = [], answer = [], finishReason = 'stop' } = { ...DEFAULT_ANSWER, ...given };
  const text = answer.join('');
  const thought = reasoning.join('');
  const message = { role: 'assistant', content: text, refusal: null };
  const content = chat
    ? { message: { ...message, [reasoningField(engine)]: thought } }
    : { text: thought + text };
  return JSON.stringify({
    ...frame(chat, body),
    object: chat ? 'chat.completion' : 'text_completion',
    choices: [{ index: 0, ...content, logprobs: null, finish_reason: finishReason }],
    usage: usageOf(given),
  });
}

/** vLLM renamed the field in 2026; the others kept DeepSeek's name. */
function reasoningField(engine: WireEngine): string {
  return engine === 'vllm' ? 'reasoning' : 'reasoning_content';
}

function frame(chat: boolean, body: Readonly<Record<string, unknown>>): object {
  return {
    id: ID,
    object: chat ? 'chat.completion.chunk' : 'text_completion',
    created: CREATED,
    model: body['model'],
  };
}

function usageOf(given: FakeAnswer): Readonly<Record<string, unknown>> {
  const { reasoning = [], answer = [] } = { ...DEFAULT_ANSWER, ...given };
  const completion = reasoning.length + answer.length;
  return (
    given.usage ?? {
      prompt_tokens: 7,
      completion_tokens: completion,
      total_tokens: 7 + completion,
      completion_tokens_details: { reasoning_tokens: reasoning.length },
    }
  );
}

function event(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
