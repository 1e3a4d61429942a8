/**
 * Requests for text as `Call`s: the request path decides, this file knows how they are read and
 * which reply they get.
 */
import type { Ids } from '../../core/ids.ts';
import type { Call, CallerReply, WireIdentity } from '../../protocol/caller.ts';
import type { Dialect, GenerationRequest, WireRequest } from '../../protocol/generation.ts';
import { encodeAnswer } from '../../protocol/openai/answer.ts';
import { decodeChatRequest } from '../../protocol/openai/chat-request.ts';
import { decodeCompletionRequest } from '../../protocol/openai/completion-request.ts';
import { createEventEncoder } from '../../protocol/openai/encode-events.ts';
import { wantsUsage } from '../../protocol/openai/generation-fields.ts';
import { parseJsonObject } from '../../protocol/openai/json-error.ts';
import {
  createPlainEncoder,
  decodePlainRequest,
  encodePlainAnswer,
} from '../../protocol/openai/plain-generate.ts';
import type { Clock } from '../../protocol/ports.ts';
import type { HttpRequest } from '../http/http-request.ts';
import type { RefuseOpenAi } from './refuse.ts';
import { relayableDialect } from './reply-form.ts';
import { createStreamReply } from './stream-reply.ts';
import { createWholeReply } from './whole-reply.ts';

export interface GenerationCallOptions {
  readonly clock: Clock;
  readonly ids: Ids;
  /** White space before a late JSON body (`server.keep_alive: whitespace`). */
  readonly keepAlive: boolean;
  readonly refuse: RefuseOpenAi;
  /** Stands in for a missing `model`; undefined where there is more than one. */
  readonly defaultModel: () => string | undefined;
}

const decoders = { chat: decodeChatRequest, completion: decodeCompletionRequest };

/** One request to /v1/chat/completions or /v1/completions. */
export function createOpenAiCall(
  http: HttpRequest,
  dialect: Dialect,
  options: GenerationCallOptions,
): Call {
  function decode(): GenerationRequest {
    const body = parseJsonObject(http.body.toString());
    const wire: WireRequest = { dialect, body, bytes: http.body };
    return decoders[dialect](body, { id: http.id, wire, defaultModel: options.defaultModel });
  }

  function reply(request: GenerationRequest): CallerReply {
    const { reasoning } = request;
    const identity: WireIdentity = {
      id: dialect === 'chat' ? options.ids.chatCompletion() : options.ids.completion(),
      created: Math.floor(http.receivedAtMs / 1000),
    };
    const form = {
      ...options,
      stream: http.stream,
      dialect: relayableDialect(dialect, request),
      identity,
    };
    if (!request.stream) {
      return createWholeReply({
        ...form,
        reasoning,
        encode: (model, choices, usage) =>
          encodeAnswer({ dialect, identity, model, choices, usage }),
      });
    }
    const usageToo = wantsUsage(request.wire?.body ?? {});
    return createStreamReply({
      ...form,
      wantsUsage: usageToo,
      createEncoder: (model) =>
        createEventEncoder({ dialect, identity, model, wantsUsage: usageToo, reasoning }),
    });
  }

  return { ...described(http, options), decode, reply };
}

/** One request to /generate. */
export function createPlainCall(http: HttpRequest, options: GenerationCallOptions): Call {
  const form = { ...options, stream: http.stream, dialect: undefined, identity: undefined };
  return {
    ...described(http, options),
    decode() {
      const body = parseJsonObject(http.body.toString());
      return decodePlainRequest(body, { id: http.id, defaultModel: options.defaultModel });
    },
    reply(request) {
      if (request.stream) {
        return createStreamReply({ ...form, wantsUsage: true, createEncoder: createPlainEncoder });
      }
      const { reasoning } = request;
      return createWholeReply({ ...form, reasoning, encode: encodePlainAnswer });
    },
  };
}

function described(http: HttpRequest, options: GenerationCallOptions) {
  const { id, route, receivedAtMs, remoteAddress, headers, stream } = http;
  const refuse: Call['refuse'] = (error, more) => options.refuse(stream, error, more);
  return { id, route, receivedAtMs, remoteAddress, headers, refuse };
}
