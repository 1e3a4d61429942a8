/**
 * A caller for tests: asks a running server over HTTP and holds every answer, chunk by chunk,
 * against OpenAI's schemas.
 */
import assert from 'node:assert/strict';
import { validateWire, type WireKind } from '../conformance/validate-wire.ts';

export type Headers = Readonly<Record<string, string>>;

export interface WireUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly completion_tokens_details: { readonly reasoning_tokens: number };
}

export interface WireError {
  readonly message: string;
  readonly type: string;
  readonly code: string;
  readonly param: string | null;
  readonly retry_after_ms?: number;
  readonly attempts?: readonly { readonly endpoint: string; readonly result: string }[];
  readonly facts?: Readonly<Record<string, number>>;
}

export interface WireChoice {
  readonly index: number;
  readonly text?: string;
  readonly message?: { readonly content: string; readonly reasoning_content?: string };
  readonly delta?: {
    readonly role?: string;
    readonly content?: string;
    readonly reasoning_content?: string;
  };
  readonly logprobs?: Readonly<Record<string, readonly unknown[]>> | null;
  readonly finish_reason: string | null;
}

export interface WireAnswer {
  readonly id: string;
  readonly model: string;
  readonly choices: readonly WireChoice[];
  readonly usage?: WireUsage | null;
}

export interface Answer<Body> {
  readonly status: number;
  readonly headers: Response['headers'];
  readonly body: Body;
}

/** The end of a stream, however it came. */
export interface StreamEnd {
  readonly chunks: readonly WireAnswer[];
  /** Texts of SSE comments. */
  readonly comments: readonly string[];
  readonly thought: string;
  readonly text: string;
  readonly finish: string | undefined;
  readonly usage: WireUsage | undefined;
  /** The error event. */
  readonly error: WireError | undefined;
  /** `[DONE]` came. */
  readonly done: boolean;
  /** The body ended as HTTP says it must; false: the connection broke. */
  readonly whole: boolean;
}

export interface Stream {
  readonly status: number;
  readonly headers: Response['headers'];
  /** Resolves at the first text; rejects where the stream ends before. */
  readonly begun: Promise<void>;
  readonly ended: Promise<StreamEnd>;
  /** Resolves with the first comment that matches. */
  untilComment(pattern: RegExp): Promise<string>;
  leave(): void;
}

/** By path: what a whole answer and a chunk must be. Other routes are ours and have no schema. */
const schemas: Readonly<Record<string, { readonly whole: WireKind; readonly chunk: WireKind }>> = {
  '/v1/chat/completions': {
    whole: 'CreateChatCompletionResponse',
    chunk: 'CreateChatCompletionStreamResponse',
  },
  '/v1/completions': { whole: 'CreateCompletionResponse', chunk: 'CompletionChunk' },
};

/** POSTs `body` and returns the whole JSON answer. */
export async function post<Body = WireAnswer>(
  url: string,
  route: string,
  body: unknown,
  headers: Headers = {},
): Promise<Answer<Body>> {
  const response = await send(url, route, body, headers);
  const text = await response.text();
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/, text);
  const value: unknown = JSON.parse(text);
  const schema = schemas[route]?.whole;
  if (response.status !== 200) validateWire('ErrorResponse', value);
  else if (schema !== undefined) validateWire(schema, value);
  return { status: response.status, headers: response.headers, body: value as Body };
}

/** POSTs `body` and returns the error that it must be answered with. */
export async function postError(
  url: string,
  route: string,
  body: unknown,
  headers: Headers = {},
): Promise<Answer<WireError>> {
  const answer = await post<{ readonly error: WireError }>(url, route, body, headers);
  assert.notEqual(answer.status, 200, JSON.stringify(answer.body));
  return { ...answer, body: answer.body.error };
}

export function chat(content: string, changes: Readonly<Record<string, unknown>> = {}) {
  return { model: 'pocket-r1', messages: [{ role: 'user', content }], temperature: 0, ...changes };
}

/** A completion of exactly `tokens` tokens: the model may not end its text. */
export async function longText(url: string, tokens: number) {
  const text = '<｜end▁of▁sentence｜>';
  const answer = await post<{ readonly tokens: readonly number[] }>(url, '/tokenize', {
    prompt: text,
    add_special_tokens: false,
  });
  const [end, ...more] = answer.body.tokens;
  assert.deepEqual(more, []);
  return { prompt: 'Hello', max_tokens: tokens, logit_bias: { [String(end)]: -100 } };
}

/** Opens a stream; resolves with its head. */
export async function openStream(
  url: string,
  route: string,
  body: object,
  headers: Headers = {},
): Promise<Stream> {
  const leaving = new AbortController();
  const sent = { stream: true, ...body };
  const response = await send(url, route, sent, headers, leaving.signal);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  const begun = Promise.withResolvers<void>();
  // Not everyone waits for the beginning.
  begun.promise.catch(() => {});
  const reader = createEventReader(schemas[route]?.chunk, begun.resolve);
  const ended = readToEnd(response, reader).finally(() => {
    begun.reject(new Error('the stream ended without a text'));
  });
  ended.catch(() => {});
  return {
    status: response.status,
    headers: response.headers,
    begun: begun.promise,
    ended,
    untilComment: reader.untilComment,
    leave: () => leaving.abort(),
  };
}

/** Opens a stream and reads it to its end. */
export async function readStream(
  url: string,
  route: string,
  body: object,
  headers: Headers = {},
): Promise<StreamEnd> {
  return (await openStream(url, route, body, headers)).ended;
}

function send(
  url: string,
  route: string,
  body: unknown,
  headers: Headers,
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(url + route, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function readToEnd(response: Response, reader: EventReader): Promise<StreamEnd> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let whole = true;
  try {
    for await (const bytes of response.body ?? []) {
      reader.push(decoder.decode(bytes, { stream: true }));
    }
  } catch (thrown) {
    // What breaks a connection is a TypeError of fetch, or our own leaving.
    if (!(thrown instanceof TypeError) && !(thrown instanceof DOMException)) throw thrown;
    whole = false;
  }
  return reader.end(whole);
}

interface EventReader {
  push(text: string): void;
  untilComment(pattern: RegExp): Promise<string>;
  end(whole: boolean): StreamEnd;
}

function createEventReader(schema: WireKind | undefined, onText: () => void): EventReader {
  const chunks: WireAnswer[] = [];
  const comments: string[] = [];
  const listeners = new Set<() => void>();
  let rest = '';
  let thought = '';
  let text = '';
  let finish: string | undefined;
  let usage: WireUsage | undefined;
  let error: WireError | undefined;
  let done = false;

  function chunk(value: WireAnswer): void {
    if (schema !== undefined) validateWire(schema, value);
    chunks.push(value);
    usage = value.usage ?? usage;
    for (const { delta, text: piece, finish_reason: reason } of value.choices) {
      thought += delta?.reasoning_content ?? '';
      text += piece ?? delta?.content ?? '';
      finish = reason ?? finish;
    }
    if (thought + text !== '') onText();
  }

  function event(written: string): void {
    assert.ok(!done, `something came after [DONE]: ${written}`);
    if (written.startsWith(':')) {
      comments.push(written.slice(1).trim());
      for (const listener of listeners) listener();
      return;
    }
    assert.ok(written.startsWith('data: '), `not an event: ${written}`);
    const data = written.slice('data: '.length);
    done = data === '[DONE]';
    if (done) return;
    const value = JSON.parse(data) as WireAnswer | { readonly error: WireError };
    if ('error' in value) {
      validateWire('ErrorResponse', value);
      error = value.error;
    } else {
      chunk(value);
    }
  }

  return {
    push(part) {
      const events = (rest + part).split('\n\n');
      rest = events.pop() ?? '';
      for (const written of events) event(written);
    },
    untilComment: (pattern) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = comments.find((comment) => pattern.test(comment));
          if (found === undefined) return;
          listeners.delete(look);
          resolve(found);
        };
        listeners.add(look);
        look();
      }),
    end(whole) {
      if (whole) assert.equal(rest, '', 'the stream ends within an event');
      return { chunks, comments, thought, text, finish, usage, error, done, whole };
    },
  };
}
