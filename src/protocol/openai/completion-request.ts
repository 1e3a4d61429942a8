/**
 * The body of POST /v1/completions → `GenerationRequest`.
 *
 * Evaluation harnesses live on this one: prompts as token arrays, `echo` with `logprobs` to score a
 * given text, and `max_tokens: 0` to generate nothing beyond it.
 */
import type { GenerationInput, GenerationRequest, WireRequest } from '../generation.ts';
import {
  type Body,
  invalidField,
  missingField,
  optionalBoolean,
  optionalInteger,
  optionalString,
  unsupportedField,
} from './fields.ts';
import { type DecodeContext, decodeSharedFields } from './generation-fields.ts';

/** OpenAI's and vLLM's default, kept because clients of this old form count on a short answer. */
const defaultMaxTokens = 16;
/** Inputs of one request; a bound on what one caller can start at once. */
const inputsMax = 1024;

/** @throws UnbusyError invalid_request with the field's path. */
export function decodeCompletionRequest(
  body: Body,
  context: DecodeContext & { readonly wire: WireRequest | undefined },
): GenerationRequest {
  const shared = decodeSharedFields(body, context);
  const echo = optionalBoolean(body, 'echo') ?? false;
  const maxTokens = optionalInteger(body, 'max_tokens', { min: 0, max: Number.MAX_SAFE_INTEGER });
  if (maxTokens === 0 && !echo) throw invalidField('max_tokens', 0, '0 only together with echo');
  const suffix = optionalString(body, 'suffix');
  if (suffix !== undefined && suffix !== '') {
    throw unsupportedField('suffix', 'completing the middle of a text is not supported');
  }
  const bestOf = optionalInteger(body, 'best_of', { min: 1, max: 128 });
  if (bestOf !== undefined && bestOf !== shared.choicesPerInput) {
    throw unsupportedField('best_of', `found ${bestOf}; allowed: the same as n or absent`);
  }
  return {
    ...shared,
    inputs: decodePrompt(body['prompt']),
    maxTokens: maxTokens ?? defaultMaxTokens,
    topLogprobs: optionalInteger(body, 'logprobs', { min: 0, max: 20 }),
    echo,
    tools: [],
    wire: context.wire,
  };
}

const promptForms = 'a string, an array of strings, of token ids, or of arrays of token ids';

/** @throws UnbusyError invalid_request with the item's path. */
function decodePrompt(prompt: unknown): readonly GenerationInput[] {
  if (prompt === undefined || prompt === null) throw missingField('prompt', promptForms);
  if (typeof prompt === 'string') return [{ kind: 'text', text: prompt }];
  if (!Array.isArray(prompt) || prompt.length === 0) {
    throw invalidField('prompt', prompt, promptForms);
  }
  const first: unknown = prompt[0];
  if (typeof first === 'number') {
    return [{ kind: 'tokens', tokens: decodeTokens(prompt, 'prompt') }];
  }
  if (prompt.length > inputsMax) throw invalidField('prompt', prompt, `at most ${inputsMax} items`);
  return prompt.map((item: unknown, index): GenerationInput => {
    const path = `prompt[${index}]`;
    if (typeof item === 'string' && typeof first === 'string') return { kind: 'text', text: item };
    if (Array.isArray(item) && Array.isArray(first)) {
      return { kind: 'tokens', tokens: decodeTokens(item, path) };
    }
    throw invalidField(path, item, promptForms);
  });
}

/** @throws UnbusyError invalid_request with the token's path. */
export function decodeTokens(value: unknown, path: string): readonly number[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidField(path, value, 'an array of token ids, not empty');
  }
  for (let i = 0; i < value.length; i += 1) {
    const token: unknown = value[i];
    if (Number.isInteger(token) && (token as number) >= 0 && (token as number) <= 0x7fffffff) {
      continue;
    }
    throw invalidField(`${path}[${i}]`, token, 'a token id');
  }
  return value as readonly number[];
}
