/**
 * The body of POST /v1/chat/completions → `GenerationRequest`.
 *
 * Fields unknown here are tolerated and survive in `wire`. Pure: no I/O, no state.
 */
import type { ChatMessage, ContentPart, GenerationRequest, WireRequest } from '../generation.ts';
import {
  type Body,
  invalidField,
  isObject,
  missingField,
  optionalBoolean,
  optionalInteger,
} from './fields.ts';
import { type DecodeContext, decodeSharedFields, decodeTools } from './generation-fields.ts';

const roles = ['system', 'developer', 'user', 'assistant', 'tool'] as const;
type Role = (typeof roles)[number];

/** @throws UnbusyError invalid_request with the field's path. */
export function decodeChatRequest(
  body: Body,
  context: DecodeContext & { readonly wire: WireRequest | undefined },
): GenerationRequest {
  const maxTokens = optionalInteger(body, 'max_tokens', { min: 1, max: Number.MAX_SAFE_INTEGER });
  const maxCompletionTokens = optionalInteger(body, 'max_completion_tokens', {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  });
  return {
    ...decodeSharedFields(body, context),
    inputs: [{ kind: 'chat', messages: decodeMessages(body['messages']) }],
    // The newer name wins, as at OpenAI.
    maxTokens: maxCompletionTokens ?? maxTokens,
    topLogprobs: decodeTopLogprobs(body),
    echo: false,
    tools: decodeTools(body),
    wire: context.wire,
  };
}

function decodeTopLogprobs(body: Body): number | undefined {
  const logprobs = optionalBoolean(body, 'logprobs') ?? false;
  const top = optionalInteger(body, 'top_logprobs', { min: 0, max: 20 });
  if (logprobs) return top ?? 0;
  if (top === undefined || top === 0) return undefined;
  throw invalidField('top_logprobs', top, 'only together with logprobs: true');
}

/** @throws UnbusyError invalid_request with the message's path. */
export function decodeMessages(value: unknown): readonly ChatMessage[] {
  const allowed = 'an array of at least one message';
  if (value === undefined || value === null) throw missingField('messages', allowed);
  if (!Array.isArray(value) || value.length === 0) throw invalidField('messages', value, allowed);
  return value.map((message: unknown, index) => decodeMessage(message, `messages[${index}]`));
}

function decodeMessage(message: unknown, path: string): ChatMessage {
  if (!isObject(message)) throw invalidField(path, message, 'an object with role and content');
  const role = message['role'];
  if (!roles.includes(role as Role)) {
    const allowed = roles.map((name) => `"${name}"`).join(', ');
    if (role === undefined) throw missingField(`${path}.role`, allowed);
    throw invalidField(`${path}.role`, role, allowed);
  }
  const decoded: Mutable<ChatMessage> = {
    role: role as Role,
    content: decodeContent(message['content'], role as Role, `${path}.content`),
  };
  const name = stringAt(message, 'name', path);
  if (name !== undefined) decoded.name = name;
  if (role === 'assistant') addAssistantFields(decoded, message, path);
  if (role === 'tool') {
    decoded.toolCallId = stringAt(message, 'tool_call_id', path);
    if (decoded.toolCallId === undefined) {
      throw missingField(`${path}.tool_call_id`, 'the id of the call that this answers');
    }
  }
  return decoded;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** `reasoning_content` is DeepSeek's name, `reasoning` vLLM's newer one. */
function addAssistantFields(decoded: Mutable<ChatMessage>, message: Body, path: string): void {
  const reasoning =
    stringAt(message, 'reasoning_content', path) ?? stringAt(message, 'reasoning', path);
  if (reasoning !== undefined) decoded.reasoning = reasoning;
  const calls = message['tool_calls'];
  if (calls === undefined || calls === null) return;
  if (!Array.isArray(calls)) throw invalidField(`${path}.tool_calls`, calls, 'an array');
  decoded.toolCalls = calls.map((call: unknown, index) =>
    checkedToolCall(call, `${path}.tool_calls[${index}]`),
  );
}

function checkedToolCall(call: unknown, path: string): unknown {
  if (!isObject(call)) throw invalidField(path, call, 'an object with id, type and function');
  const called = call['function'];
  if (!isObject(called)) throw invalidField(`${path}.function`, called, 'an object');
  for (const name of ['name', 'arguments'] as const) {
    if (typeof called[name] === 'string') continue;
    throw invalidField(`${path}.function.${name}`, called[name], 'a string');
  }
  return call;
}

function decodeContent(content: unknown, role: Role, path: string): readonly ContentPart[] {
  if (typeof content === 'string') return [{ kind: 'text', text: content }];
  if (content === undefined || content === null) {
    // An assistant's turn may consist of tool calls or of a thought only.
    if (role === 'assistant') return [];
    throw missingField(path, 'a string or an array of parts');
  }
  if (!Array.isArray(content)) throw invalidField(path, content, 'a string or an array of parts');
  return content.map((part: unknown, index) => decodePart(part, `${path}[${index}]`));
}

function decodePart(part: unknown, path: string): ContentPart {
  if (!isObject(part)) throw invalidField(path, part, 'an object with type');
  const type = part['type'];
  if (typeof type !== 'string') throw invalidField(`${path}.type`, type, 'a string such as "text"');
  if (type !== 'text' && type !== 'refusal') return { kind: 'other', type, path };
  const text = part[type];
  if (typeof text !== 'string') throw invalidField(`${path}.${type}`, text, 'a string');
  return { kind: 'text', text };
}

function stringAt(body: Body, name: string, path: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  throw invalidField(`${path}.${name}`, value, 'a string');
}
