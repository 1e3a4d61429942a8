/**
 * POST /generate: a prompt in, text out, for those who want no protocol (B3).
 *
 * `prompt` is put to the model as a user's message, because a bare continuation is not what one
 * expects of a model that was trained to answer; /v1/completions continues text. The sampling
 * fields are those of the OpenAI routes.
 */
import { assertNever } from '../../core/errors.ts';
import type { ChatMessage, GenerationRequest, Usage } from '../generation.ts';
import type { AnswerChoice } from './answer.ts';
import { decodeMessages } from './chat-request.ts';
import { type EventEncoder, sseComment } from './encode-events.ts';
import {
  type Body,
  invalidField,
  missingField,
  optionalInteger,
  optionalString,
  unsupportedField,
} from './fields.ts';
import { type DecodeContext, decodeSharedFields } from './generation-fields.ts';
import { encodeUsage } from './usage.ts';

/** @throws UnbusyError invalid_request with the field's path. */
export function decodePlainRequest(body: Body, context: DecodeContext): GenerationRequest {
  const shared = decodeSharedFields(body, context);
  if (shared.choicesPerInput !== 1)
    throw unsupportedField('n', 'one text is generated per request');
  return {
    ...shared,
    inputs: [{ kind: 'chat', messages: decodeInput(body) }],
    maxTokens: decodeMaxTokens(body),
    echo: false,
    tools: [],
  };
}

function decodeInput(body: Body): readonly ChatMessage[] {
  const prompt = optionalString(body, 'prompt');
  const messages = body['messages'] ?? undefined;
  if (prompt !== undefined && messages !== undefined) {
    throw invalidField('messages', messages, 'either prompt or messages');
  }
  if (messages !== undefined) return decodeMessages(messages);
  if (prompt === undefined) throw missingField('prompt', 'a string, or messages in its place');
  return [{ role: 'user', content: [{ kind: 'text', text: prompt }] }];
}

function decodeMaxTokens(body: Body): number | undefined {
  const range = { min: 1, max: Number.MAX_SAFE_INTEGER };
  const max = optionalInteger(body, 'max_tokens', range);
  const maxNew = optionalInteger(body, 'max_new_tokens', range);
  if (max !== undefined && maxNew !== undefined && max !== maxNew) {
    throw invalidField('max_new_tokens', maxNew, `the same as max_tokens (${max})`);
  }
  return max ?? maxNew;
}

/** The whole answer as JSON. */
export function encodePlainAnswer(
  model: string,
  choices: readonly AnswerChoice[],
  usage: Usage,
): string {
  const [choice] = choices;
  const reasoning = choice?.reasoning ?? '';
  return (
    `{"model":${JSON.stringify(model)},"text":${JSON.stringify(choice?.text ?? '')},` +
    (reasoning === '' ? '' : `"reasoning":${JSON.stringify(reasoning)},`) +
    `"finish_reason":${JSON.stringify(choice?.finish ?? 'stop')},"usage":${encodeUsage(usage)}}`
  );
}

/** A stream: `{"text":…}` or `{"reasoning":…}` per piece, then the reason to finish, then usage. */
export function createPlainEncoder(): EventEncoder {
  return {
    events(events) {
      let text = '';
      for (const event of events) {
        switch (event.kind) {
          case 'delta': {
            const field = event.channel === 'reasoning' ? 'reasoning' : 'text';
            text += `data: {"${field}":${JSON.stringify(event.text)}}\n\n`;
            break;
          }
          case 'finish':
            text += `data: {"finish_reason":"${event.reason}"}\n\n`;
            break;
          case 'usage':
            break;
          default:
            assertNever(event);
        }
      }
      return text;
    },
    end: (usage, comment) =>
      `data: {"usage":${encodeUsage(usage)}}\n\n${comment === undefined ? '' : sseComment(comment)}`,
  };
}
