/**
 * The caller's side of a request: how it comes in and how it is answered, whatever its protocol.
 * `src/ingress` implements these; `src/gateway/handle-request.ts` uses them.
 */
import type { UnbusyError } from '../core/errors.ts';
import type { Dialect, GenerationEvent, GenerationRequest, Usage } from './generation.ts';

/** One inbound request whose body has been read but not yet understood. */
export interface Call {
  /** `x-request-id`: the caller's own where it sent a sane one, else ours. */
  readonly id: string;
  /** `POST /v1/chat/completions`: low-cardinality, for logs. */
  readonly route: string;
  readonly receivedAtMs: number;
  readonly remoteAddress: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Validates the body. Throws `UnbusyError` of kind invalid_request with the field's path. */
  decode(): GenerationRequest;
  /** Opens the reply in the form that the request asked for. Nothing is sent yet. */
  reply(request: GenerationRequest): CallerReply;
  /** Answers with an error before there is a reply. */
  refuse(error: UnbusyError, headers: Readonly<Record<string, string>>): void;
}

/**
 * How one request is answered. A streaming reply is `begin`, then any of `comment`, `bytes`,
 * `events`, then `finish` or `fail`. A non-streaming one is `body`, or `events` then `finish`, or
 * `fail`. Exactly one of `finish`, `body` and `fail` ends it.
 */
export interface CallerReply {
  readonly streaming: boolean;
  /** The OpenAI wire form whose bytes may be passed on untouched; absent: events only. */
  readonly dialect?: Dialect | undefined;
  /** `id` and `created` of this reply in its wire form, for relayed bytes that are patched. */
  readonly identity?: WireIdentity | undefined;
  /** What the caller asked to see in the bytes: whether usage may stay in a stream. */
  readonly wantsUsage: boolean;
  /** The head has been sent: a failure can no longer choose its status. */
  readonly begun: boolean;
  /** Sends the head of a stream. A second call does nothing. */
  begin(head: ReplyHead): void;
  /** An SSE comment line; nothing where the reply is not a stream. */
  comment(text: string): void;
  /** Chunk-framed bytes of whole SSE events; `begin` must have been called. */
  bytes(framed: Uint8Array): void;
  /** A whole JSON body from an upstream of the same dialect. Ends the reply. */
  body(head: ReplyHead, json: Uint8Array): void;
  events(events: readonly GenerationEvent[]): void;
  /** Ends a complete answer. For a relayed stream everything but the end of the body was sent. */
  finish(head: ReplyHead, end: ReplyEnd): void;
  /** Status and error body, or the error event of a stream that has begun. Ends the reply. */
  fail(error: UnbusyError, headers: Readonly<Record<string, string>>): void;
  /** Bytes handed over that the caller's socket has not taken. */
  readonly unsentBytes: number;
  /** Called each time everything unsent has gone out. */
  onDrain(callback: () => void): void;
  /** Called once if the caller leaves before the reply has ended. */
  onGone(callback: () => void): void;
}

export interface WireIdentity {
  readonly id: string;
  /** Seconds since the epoch. */
  readonly created: number;
}

/** What the head says; sent once, as late as the reply's form allows. */
export interface ReplyHead {
  /** The model that really answers. */
  readonly model: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ReplyEnd {
  readonly usage: Usage;
  /** The closing comment of a stream, for what was not known at its head; without `: `. */
  readonly comment?: string | undefined;
}
