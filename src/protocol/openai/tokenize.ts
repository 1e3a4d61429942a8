/** POST /tokenize and /detokenize in vLLM's form. */
import type { GenerationRequest } from '../generation.ts';
import { decodeChatRequest } from './chat-request.ts';
import { decodeTokens } from './completion-request.ts';
import { type Body, missingField, optionalBoolean, optionalString } from './fields.ts';
import { type DecodeContext, decodeModel } from './generation-fields.ts';

export type TokenizeRequest =
  | {
      readonly kind: 'text';
      readonly model: string;
      readonly text: string;
      /** The model's begin-of-text token, which it would see before a prompt. */
      readonly addSpecial: boolean;
    }
  /** The chat is rendered to the prompt that the model would see. */
  | { readonly kind: 'chat'; readonly model: string; readonly request: GenerationRequest };

export interface TokenizeAnswer {
  readonly tokens: readonly number[];
  readonly contextTokens: number | undefined;
}

/** @throws UnbusyError invalid_request with the field's path. */
export function decodeTokenizeRequest(body: Body, context: DecodeContext): TokenizeRequest {
  const model = decodeModel(body, context);
  if (body['messages'] !== undefined && body['messages'] !== null) {
    return {
      kind: 'chat',
      model,
      request: decodeChatRequest(body, { ...context, wire: undefined }),
    };
  }
  const text = optionalString(body, 'prompt');
  if (text === undefined) throw missingField('prompt', 'a string, or messages in its place');
  const addSpecial = optionalBoolean(body, 'add_special_tokens') ?? true;
  return { kind: 'text', model, text, addSpecial };
}

export function encodeTokenizeAnswer(answer: TokenizeAnswer): string {
  const { tokens, contextTokens } = answer;
  return JSON.stringify({ count: tokens.length, max_model_len: contextTokens ?? null, tokens });
}

export interface DetokenizeRequest {
  readonly model: string;
  readonly tokens: readonly number[];
}

/** @throws UnbusyError invalid_request with the field's path. */
export function decodeDetokenizeRequest(body: Body, context: DecodeContext): DetokenizeRequest {
  if (body['tokens'] === undefined) throw missingField('tokens', 'an array of token ids');
  const tokens =
    Array.isArray(body['tokens']) && body['tokens'].length === 0
      ? []
      : decodeTokens(body['tokens'], 'tokens');
  return { model: decodeModel(body, context), tokens };
}

export function encodeDetokenizeAnswer(text: string): string {
  return JSON.stringify({ prompt: text });
}
