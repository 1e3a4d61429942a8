/**
 * Asks any OpenAI-compatible server: models, and streamed chat completions as plain events.
 *
 * Failures come out as `ChatFailure` with a message for people: what happened and what to do.
 */
import { catalogueEntry } from '../../core/error-catalogue.ts';
import { createThinkSplitter, r1ThinkTags } from '../../protocol/reasoning.ts';
import { sseEvents } from './sse-events.ts';

export interface ChatTarget {
  /** Base of the API: `http://127.0.0.1:6710/v1`. */
  readonly url: string;
  readonly key?: string | undefined;
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export type AnswerPart =
  | { readonly kind: 'reasoning' | 'answer'; readonly text: string }
  /** Still waiting; shown until the first token. */
  | { readonly kind: 'queued'; readonly position: number; readonly etaMs: number }
  /** The answer is complete. */
  | { readonly kind: 'end'; readonly reason: string };

/** An error that has been put into words for the user. */
export class ChatFailure extends Error {
  override readonly name = 'ChatFailure';
}

/** Ids of the models that the server lists. @throws ChatFailure */
export async function listModels(target: ChatTarget): Promise<string[]> {
  const response = await request(target, '/models', {});
  const body: unknown = await response.json().catch(() => undefined);
  const data = field(body, 'data');
  if (!Array.isArray(data)) {
    throw new ChatFailure(`${target.url} does not list models; is it an OpenAI-compatible API?`);
  }
  return data.flatMap((model) => {
    const id = field(model, 'id');
    return typeof id === 'string' ? [id] : [];
  });
}

/**
 * Streams one answer. Thoughts come as `reasoning`, whether the server names them or leaves them
 * between think tags. Ends with one `end`. @throws ChatFailure, and AbortError after `signal`.
 */
export async function* streamAnswer(
  target: ChatTarget,
  model: string,
  messages: readonly ChatMessage[],
  signal: AbortSignal,
): AsyncGenerator<AnswerPart> {
  const response = await request(target, '/chat/completions', {
    method: 'POST',
    body: JSON.stringify({ model, messages, stream: true }),
    signal,
  });
  if (response.body === null) throw new ChatFailure('the server sent an empty answer');
  const splitter = createThinkSplitter({ ...r1ThinkTags, startsInThought: false });
  let reason: string | undefined;
  let done = false;
  for await (const event of sseEvents(unbroken(response.body))) {
    if (event.kind === 'comment') {
      const queued = /^queued position=(\d+) eta_ms=(\d+)/.exec(event.text);
      if (queued) yield { kind: 'queued', position: Number(queued[1]), etaMs: Number(queued[2]) };
      continue;
    }
    if (event.data === '[DONE]') {
      done = true;
      break;
    }
    const chunk = parseChunk(event.data);
    if (chunk.reasoning !== '') yield { kind: 'reasoning', text: chunk.reasoning };
    for (const part of splitter.push(chunk.content)) yield { kind: part.channel, text: part.text };
    reason ??= chunk.finishReason;
  }
  for (const part of splitter.flush()) yield { kind: part.channel, text: part.text };
  // Some servers close without [DONE]; an answer that names its end is whole all the same.
  if (!done && reason === undefined) throw brokenOff();
  yield { kind: 'end', reason: reason ?? 'stop' };
}

/** The body, with a broken connection put into words. */
async function* unbroken(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw error;
    throw brokenOff();
  }
}

function brokenOff(): ChatFailure {
  return new ChatFailure('the server broke off: the answer is not complete');
}

interface Chunk {
  readonly reasoning: string;
  readonly content: string;
  readonly finishReason: string | undefined;
}

function parseChunk(data: string): Chunk {
  let chunk: unknown;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new ChatFailure('the server sent an event that is not JSON');
  }
  const error = field(chunk, 'error');
  if (error !== undefined && error !== null) throw new ChatFailure(errorText(error, undefined));
  const choices = field(chunk, 'choices');
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  const delta = field(choice, 'delta');
  const finishReason = field(choice, 'finish_reason');
  return {
    reasoning: text(field(delta, 'reasoning_content')) || text(field(delta, 'reasoning')),
    content: text(field(delta, 'content')),
    finishReason: typeof finishReason === 'string' ? finishReason : undefined,
  };
}

async function request(target: ChatTarget, path: string, init: RequestInit): Promise<Response> {
  const url = `${target.url.replace(/\/+$/, '')}${path}`;
  const headers = {
    'content-type': 'application/json',
    ...(target.key === undefined ? {} : { authorization: `Bearer ${target.key}` }),
  };
  let response: Response;
  try {
    response = await fetch(url, { ...init, headers });
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw error;
    throw new ChatFailure(unreachableText(target.url, error));
  }
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => undefined);
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const wait = Number.isFinite(seconds) ? `; come back in ${seconds} s` : '';
  throw new ChatFailure(`${errorText(field(body, 'error'), response.status)}${wait}`);
}

function unreachableText(url: string, error: unknown): string {
  const code = field(field(error, 'cause'), 'code');
  if (code === 'ECONNREFUSED') return `no server answers at ${url}`;
  const why = typeof code === 'string' ? code : error instanceof Error ? error.message : '';
  return `${url} cannot be reached (${why})`;
}

/**
 * The server's own words, and the remedy where the code is one of ours. What is wrong with a
 * request is said in full by the message itself.
 */
function errorText(error: unknown, status: number | undefined): string {
  const message = text(field(error, 'message')) || text(error);
  const entry = catalogueEntry(text(field(error, 'code')));
  const said = message === '' ? `the server answered with status ${status ?? 'unknown'}` : message;
  const complete = entry?.kind === 'invalid_request' || entry?.kind === 'not_found';
  return entry === undefined || complete ? said : `${said}\n${entry.remedy}`;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
