/**
 * A `GenerationRequest` as the body of an upstream's OpenAI API.
 *
 * A request that came in OpenAI's own form goes out as it came, byte for byte where it can: only
 * what the upstream would not understand is changed, so that fields unknown to us survive. One that
 * came in another protocol is written from its canonical fields.
 */
import { assertNever } from '../core/errors.ts';
import type { ChatMessage, Dialect, GenerationRequest } from './generation.ts';

export type WireEngine = 'openai' | 'vllm' | 'sglang' | 'llama-server';

export interface WireTarget {
  readonly engine: WireEngine;
  /** The model's name over there. */
  readonly model: string;
}

export interface EncodedRequest {
  readonly dialect: Dialect;
  /** Below the API's base: `/chat/completions` or `/completions`. */
  readonly path: string;
  readonly body: Uint8Array;
  /** A stream that the caller did not ask to tell its usage has been asked to. */
  readonly addsUsage: boolean;
}

type Body = Record<string, unknown>;

const PATHS: Readonly<Record<Dialect, string>> = {
  chat: '/chat/completions',
  completion: '/completions',
};

const OPEN_OBJECT = 123;

/** R1 and its distilled relatives, by the names under which they are served. */
const R1_NAME = /deepseek[-_]?r1|r1[-_]distill|deepseek-reasoner|pocket-r1/i;

/** Writes the body for `target`. A stream always asks for usage, so that it is always known. */
export function encodeWireRequest(request: GenerationRequest, target: WireTarget): EncodedRequest {
  const dialect = request.wire?.dialect ?? dialectOf(request);
  const path = PATHS[dialect];
  if (request.wire === undefined) {
    const body = buildBody(request, dialect, target);
    return { dialect, path, body: Buffer.from(JSON.stringify(body)), addsUsage: request.stream };
  }
  const { body, bytes } = request.wire;
  const usage = streamOptions(body, request.stream);
  const changes = { ...changesFor(body, request, target), ...usage };
  return { dialect, path, body: changed(body, bytes, changes), addsUsage: usage !== undefined };
}

function dialectOf(request: GenerationRequest): Dialect {
  return request.inputs[0]?.kind === 'chat' ? 'chat' : 'completion';
}

/** New values of top-level fields; undefined removes the field. */
function changesFor(body: Readonly<Body>, request: GenerationRequest, target: WireTarget): Body {
  const changes: Body = {};
  if (body['model'] !== target.model) changes['model'] = target.model;
  if ('deterministic' in body) changes['deterministic'] = undefined;
  if ('reasoning' in body) changes['reasoning'] = undefined;
  const wanted = budgetField(request, target);
  if ('thinking_token_budget' in body) changes['thinking_token_budget'] = undefined;
  for (const name in wanted) {
    if (body[name] === wanted[name]) delete changes[name];
    else changes[name] = wanted[name];
  }
  if (target.engine !== 'llama-server' && 'reasoning_format' in body) {
    changes['reasoning_format'] = undefined;
  }
  const messages = body['messages'];
  if (R1_NAME.test(target.model) && Array.isArray(messages) && messages.some(carriesThought)) {
    changes['messages'] = messages.map(withoutThought);
  }
  return changes;
}

/** Where the engine can close a thought after so many tokens, in its own words. */
function budgetField({ reasoning }: GenerationRequest, { engine }: WireTarget): Body {
  if (reasoning.maxTokens === undefined) return {};
  if (engine === 'vllm') return { thinking_token_budget: reasoning.maxTokens };
  if (engine === 'llama-server') return { thinking_budget_tokens: reasoning.maxTokens };
  return {};
}

/** DeepSeek refuses an R1 request whose history holds thoughts, and R1's template drops them. */
function carriesThought(message: unknown): boolean {
  return isBody(message) && ('reasoning_content' in message || 'reasoning' in message);
}

function withoutThought(message: unknown): unknown {
  if (!isBody(message) || !carriesThought(message)) return message;
  const { reasoning_content: _, reasoning: __, ...rest } = message;
  return rest;
}

function streamOptions(body: Readonly<Body>, stream: boolean): Body | undefined {
  const options = isBody(body['stream_options']) ? body['stream_options'] : {};
  if (!stream || options['include_usage'] === true) return undefined;
  return { stream_options: { ...options, include_usage: true } };
}

/**
 * The body with the changes. Where fields are only added they are put in front of the bytes that
 * came, so that the rest stays exactly as the caller wrote it.
 */
function changed(body: Readonly<Body>, bytes: Uint8Array, changes: Body): Uint8Array {
  const names = Object.keys(changes);
  if (names.length === 0) return bytes;
  const open = bytes.indexOf(OPEN_OBJECT);
  if (Object.keys(body).length === 0 || names.some((name) => name in body)) {
    return Buffer.from(JSON.stringify({ ...body, ...changes }));
  }
  const added = `${JSON.stringify(changes).slice(0, -1)},`;
  return Buffer.concat([Buffer.from(added), bytes.subarray(open + 1)]);
}

function buildBody(request: GenerationRequest, dialect: Dialect, target: WireTarget): Body {
  const { sampling, stream } = request;
  return {
    model: target.model,
    ...(dialect === 'chat' ? chatFields(request, target) : completionFields(request)),
    n: request.choicesPerInput === 1 ? undefined : request.choicesPerInput,
    max_tokens: request.maxTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    min_p: sampling.minP,
    repetition_penalty: sampling.repetitionPenalty,
    presence_penalty: sampling.presencePenalty,
    frequency_penalty: sampling.frequencyPenalty,
    logit_bias: sampling.logitBias,
    seed: sampling.seed,
    stop: request.stop.length > 0 ? request.stop : undefined,
    response_format: responseFormat(request),
    ...budgetField(request, target),
    stream: stream ? true : undefined,
    stream_options: stream ? { include_usage: true } : undefined,
  };
}

function chatFields(request: GenerationRequest, target: WireTarget): Body {
  const messages = request.inputs.flatMap((input) => (input.kind === 'chat' ? input.messages : []));
  const thoughts = !R1_NAME.test(target.model);
  return {
    messages: messages.map((message) => chatMessage(message, thoughts)),
    tools: request.tools.length > 0 ? request.tools : undefined,
    logprobs: request.topLogprobs === undefined ? undefined : true,
    top_logprobs: request.topLogprobs,
  };
}

function chatMessage(message: ChatMessage, thoughts: boolean): Body {
  const text = message.content.map((part) => (part.kind === 'text' ? part.text : '')).join('');
  return {
    role: message.role,
    content: text === '' && message.toolCalls !== undefined ? null : text,
    name: message.name,
    reasoning_content: thoughts ? message.reasoning : undefined,
    tool_calls: message.toolCalls,
    tool_call_id: message.toolCallId,
  };
}

function completionFields(request: GenerationRequest): Body {
  const prompts = request.inputs.map((input) => {
    switch (input.kind) {
      case 'text':
        return input.text;
      case 'tokens':
        return input.tokens;
      case 'chat':
        throw new TypeError('a chat cannot be one of several prompts');
      default:
        return assertNever(input);
    }
  });
  return {
    prompt: prompts.length === 1 ? prompts[0] : prompts,
    echo: request.echo ? true : undefined,
    logprobs: request.topLogprobs,
  };
}

function responseFormat({ format }: GenerationRequest): unknown {
  switch (format.kind) {
    case 'text':
      return undefined;
    case 'json_object':
      return { type: 'json_object' };
    case 'json_schema': {
      const { name, schema } = format;
      return { type: 'json_schema', json_schema: { name, schema, strict: true } };
    }
    default:
      return assertNever(format);
  }
}

function isBody(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
