/**
 * The request fields that chat completions and legacy completions share, OpenAI's and the ones that
 * vLLM added, and their meaning in our terms.
 *
 * Ranges are OpenAI's where it has the field (openapi.yaml, CreateChatCompletionRequest), else
 * vLLM's (vllm/sampling_params.py).
 */
import type { AnswerFormat, GenerationRequest, ReasoningOptions, Sampling } from '../generation.ts';
import {
  type Body,
  invalidField,
  isObject,
  missingField,
  optionalArray,
  optionalBoolean,
  optionalInteger,
  optionalNumber,
  optionalObject,
  optionalString,
} from './fields.ts';

/** What a codec is told besides the body. */
export interface DecodeContext {
  readonly id: string;
  /** Stands in for a missing `model`; undefined where that would be a guess. */
  readonly defaultModel: () => string | undefined;
}

/** OpenAI allows 4; R1 templates and agents need more, and 16 is checked at no cost per token. */
const stopStringsMax = 16;
const anyCount = { min: 0, max: Number.MAX_SAFE_INTEGER };
const penalty = { min: -2, max: 2 };

type SharedFields = Pick<
  GenerationRequest,
  | 'id'
  | 'model'
  | 'choicesPerInput'
  | 'sampling'
  | 'stop'
  | 'format'
  | 'reasoning'
  | 'deterministic'
  | 'stream'
>;

/** @throws UnbusyError invalid_request naming the field. */
export function decodeSharedFields(body: Body, context: DecodeContext): SharedFields {
  checkPassedOnFields(body);
  return {
    id: context.id,
    model: decodeModel(body, context),
    choicesPerInput: optionalInteger(body, 'n', { min: 1, max: 128 }) ?? 1,
    sampling: decodeSampling(body),
    stop: decodeStop(body),
    format: decodeFormat(body),
    reasoning: decodeReasoning(body),
    deterministic: optionalBoolean(body, 'deterministic') ?? false,
    stream: optionalBoolean(body, 'stream') ?? false,
  };
}

/** Fields that others read from the body: the form of the reply, the gateway, the upstream. */
function checkPassedOnFields(body: Body): void {
  wantsUsage(body);
  optionalString(body, 'service_tier');
  optionalString(body, 'prompt_cache_key');
  optionalString(body, 'user');
}

/** Whether the caller asked for usage in a stream. */
export function wantsUsage(body: Body): boolean {
  const options = optionalObject(body, 'stream_options');
  const value = options?.['include_usage'] ?? false;
  if (typeof value !== 'boolean') {
    throw invalidField('stream_options.include_usage', value, 'true or false');
  }
  return value;
}

/** @throws UnbusyError invalid_request where no model is named and none can be assumed. */
export function decodeModel(body: Body, context: Pick<DecodeContext, 'defaultModel'>): string {
  const model = optionalString(body, 'model') ?? context.defaultModel();
  if (model === undefined) throw missingField('model', 'the id of a model from GET /v1/models');
  if (model === '') throw invalidField('model', model, 'the id of a model from GET /v1/models');
  return model;
}

function decodeSampling(body: Body): Sampling {
  const topK = optionalInteger(body, 'top_k', { min: -1, max: Number.MAX_SAFE_INTEGER });
  return {
    temperature: optionalNumber(body, 'temperature', { min: 0, max: 2 }),
    topP: optionalNumber(body, 'top_p', { min: 0, max: 1 }),
    // vLLM writes "all tokens" as -1, llama.cpp as 0.
    topK: topK === -1 ? 0 : topK,
    minP: optionalNumber(body, 'min_p', { min: 0, max: 1 }),
    repetitionPenalty: decodeRepetitionPenalty(body),
    presencePenalty: optionalNumber(body, 'presence_penalty', penalty),
    frequencyPenalty: optionalNumber(body, 'frequency_penalty', penalty),
    logitBias: decodeLogitBias(body),
    seed: decodeSeed(body),
  };
}

function decodeRepetitionPenalty(body: Body): number | undefined {
  const value = optionalNumber(body, 'repetition_penalty', { min: 0, max: 2 });
  if (value !== 0) return value;
  throw invalidField('repetition_penalty', value, 'a number above 0, up to 2');
}

/** Seeds are 64-bit in the wild; beyond 2^53 the nearest double is used, the same each time. */
function decodeSeed(body: Body): number | undefined {
  const value = body['seed'];
  if (value === undefined || value === null) return undefined;
  if (Number.isInteger(value)) return value as number;
  throw invalidField('seed', value, 'a whole number');
}

function decodeLogitBias(body: Body): Readonly<Record<string, number>> | undefined {
  const bias = optionalObject(body, 'logit_bias');
  if (bias === undefined) return undefined;
  for (const [token, value] of Object.entries(bias)) {
    const path = `logit_bias.${token}`;
    if (!/^\d{1,9}$/.test(token)) throw invalidField(path, token, 'token ids as keys');
    if (typeof value !== 'number' || !(Math.abs(value) <= 100)) {
      throw invalidField(path, value, 'a number from -100 to 100');
    }
  }
  return bias as Readonly<Record<string, number>>;
}

function decodeStop(body: Body): readonly string[] {
  const stop = body['stop'];
  if (stop === undefined || stop === null) return [];
  const list: readonly unknown[] = Array.isArray(stop) ? stop : [stop];
  if (list.length > stopStringsMax) {
    throw invalidField('stop', stop, `at most ${stopStringsMax} strings`);
  }
  for (const [index, value] of list.entries()) {
    if (typeof value === 'string' && value !== '') continue;
    throw invalidField(list === stop ? `stop[${index}]` : 'stop', value, 'a string, not empty');
  }
  return list as readonly string[];
}

function decodeFormat(body: Body): AnswerFormat {
  const format = optionalObject(body, 'response_format');
  if (format === undefined) return { kind: 'text' };
  switch (format['type']) {
    case 'text':
      return { kind: 'text' };
    case 'json_object':
      return { kind: 'json_object' };
    case 'json_schema':
      return decodeJsonSchema(format['json_schema']);
    default:
      throw invalidField(
        'response_format.type',
        format['type'],
        '"text", "json_object" or "json_schema"',
      );
  }
}

function decodeJsonSchema(value: unknown): AnswerFormat {
  const path = 'response_format.json_schema';
  if (!isObject(value)) throw invalidField(path, value, 'an object with name and schema');
  const { name, schema } = value;
  if (typeof name !== 'string' || name === '') {
    throw invalidField(`${path}.name`, name, 'a string, not empty');
  }
  if (!isObject(schema)) throw invalidField(`${path}.schema`, schema, 'a JSON Schema');
  return { kind: 'json_schema', name, schema };
}

/** `reasoning_format` is llama-server's, `thinking_token_budget` and `include_reasoning` vLLM's. */
function decodeReasoning(body: Body): ReasoningOptions {
  const reasoning = optionalObject(body, 'reasoning') ?? {};
  const own = optionalInteger(reasoning, 'max_tokens', anyCount, 'reasoning.max_tokens');
  const budget = optionalInteger(body, 'thinking_token_budget', anyCount);
  if (own !== undefined && budget !== undefined && own !== budget) {
    throw invalidField(
      'thinking_token_budget',
      budget,
      `the same as reasoning.max_tokens (${own})`,
    );
  }
  const placement = reasoning['placement'] ?? undefined;
  if (placement !== undefined && placement !== 'inline' && placement !== 'separate') {
    throw invalidField('reasoning.placement', placement, '"separate" or "inline"');
  }
  const fallback = optionalString(body, 'reasoning_format') === 'none' ? 'inline' : 'separate';
  const maxTokens = own ?? budget;
  if (optionalBoolean(body, 'include_reasoning') === false) {
    return { maxTokens, placement: 'separate', include: false };
  }
  return { maxTokens, placement: placement ?? fallback };
}

/** Tools that may be called: none where the caller forbids calls. */
export function decodeTools(body: Body): readonly unknown[] {
  const tools = optionalArray(body, 'tools') ?? [];
  for (const [index, tool] of tools.entries()) {
    const path = `tools[${index}]`;
    if (!isObject(tool)) throw invalidField(path, tool, 'an object with type and function');
    const definition = tool['function'];
    if (tool['type'] !== 'function' || !isObject(definition)) {
      throw invalidField(`${path}.type`, tool['type'], '"function", with its function');
    }
    if (typeof definition['name'] !== 'string' || definition['name'] === '') {
      throw invalidField(`${path}.function.name`, definition['name'], 'a string, not empty');
    }
  }
  const choice = body['tool_choice'];
  if (choice === 'none') return [];
  const known = choice === undefined || choice === null || choice === 'auto';
  if (!known && choice !== 'required' && !isObject(choice)) {
    throw invalidField('tool_choice', choice, '"none", "auto", "required" or a named tool');
  }
  return tools;
}
