/**
 * The ports between the request path and the world: what an upstream, a caller's reply and a clock
 * look like from the inside. Adapters implement them; nothing here does I/O.
 */
import type { UnbusyError } from '../core/errors.ts';
import type { GenerationEvent, GenerationRequest, Usage } from './generation.ts';

export type { Clock, Timer } from '../core/clock.ts';

/**
 * One endpoint that can answer. `dispatch` is the only method on the hot path; retry, queue and
 * breaker live above it, so an upstream makes exactly one attempt.
 */
export interface Upstream {
  /** The endpoint's name in the config, unique. */
  readonly name: string;
  readonly kind: string;
  /** Connects, detects, loads. Resolves when a first answer can be expected, rejects when it never can. */
  start(): Promise<void>;
  /** What is known now; cheap, called per routing decision. */
  status(): UpstreamStatus;
  /** Subscribes to changes of `status()`; returns how to stop. */
  onStatusChange(listener: () => void): () => void;
  /**
   * Starts one attempt. Calls handler methods later, never from inside this call. After `onEnd` or
   * `onError`, or after `abort()`, the handler is not called again.
   */
  dispatch(request: GenerationRequest, output: OutputForm, handler: UpstreamHandler): Exchange;
  /** Exact prompt size where it can be had without starting work; else undefined. */
  measure?(request: GenerationRequest): Promise<PromptSize | undefined>;
  tokenize?(text: string, options: TokenizeOptions): Promise<readonly number[]>;
  detokenize?(tokens: readonly number[]): Promise<string>;
  /** Renders a chat to the prompt that the model sees, for `/tokenize` with messages. */
  render?(request: GenerationRequest): Promise<string>;
  /** Passes a request that is not a generation (embeddings) through; undefined: not offered. */
  forward?(path: string, body: Uint8Array): Promise<ForwardedResponse>;
  close(): Promise<void>;
}

export interface TokenizeOptions {
  readonly addSpecial: boolean;
  readonly parseSpecial: boolean;
}

export interface PromptSize {
  readonly promptTokens: number;
  readonly contextTokens: number;
}

export interface ForwardedResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
}

export type UpstreamState = 'starting' | 'warming' | 'ready' | 'down';

export interface UpstreamStatus {
  readonly state: UpstreamState;
  /** Why it is not ready, for people. */
  readonly reason?: string | undefined;
  readonly models: readonly UpstreamModel[];
  /** Requests that may run at once; more wait in our queue. */
  readonly concurrencyMax: number;
  /** 0..1 where the engine tells. */
  readonly kvUsageRatio?: number | undefined;
  /** Tokens generated per second over the last seconds, where the engine tells. */
  readonly tokensPerSecond?: number | undefined;
}

export interface UpstreamModel {
  readonly id: string;
  readonly contextTokens?: number | undefined;
  /** Shown to people in `/v1/models` and the ready line. */
  readonly description?: string | undefined;
  readonly parameters?: number | undefined;
  readonly ownedBy?: string | undefined;
}

/**
 * `bytes`: the upstream's own OpenAI wire bytes come through `onRead`; `events`: parsed, through
 * `onEvents`. An upstream without OpenAI wire bytes always answers in events.
 */
export type OutputForm = 'bytes' | 'events';

export interface Exchange {
  /** Stops the engine's work. Safe to call twice and after the end. */
  abort(): void;
  /** Stops reading from the upstream until `resume`, because the caller is slow. */
  pause(): void;
  resume(): void;
}

export interface UpstreamHandler {
  /** The engine has accepted the request; nothing has been generated yet. */
  onStart(start: UpstreamStart): void;
  onRead(read: WireRead): void;
  onEvents(events: readonly GenerationEvent[]): void;
  /** The answer is complete by the upstream's own account. */
  onEnd(end: UpstreamEnd): void;
  onError(error: UpstreamError): void;
}

export interface UpstreamStart {
  readonly form: OutputForm;
  /** `text/event-stream` or a JSON body. Events form: what was asked for. */
  readonly streaming: boolean;
  /** Model id that really answers, where the upstream tells. */
  readonly model?: string | undefined;
  /** The bytes call the thought `reasoning`, which callers read as `reasoning_content`. */
  readonly renamesReasoning?: boolean | undefined;
  /** Usage was asked for on top of the caller's own request. */
  readonly addsUsage?: boolean | undefined;
  /** Byte length of a non-streamed body, when declared. */
  readonly contentLength?: number | undefined;
}

/**
 * The bytes of one socket read. `buffer` is reused after `onRead` returns: copy what must stay.
 * `spans` holds `spanCount` pairs [start, end) of payload, without transfer framing.
 */
export interface WireRead {
  readonly buffer: Buffer;
  /** The framed bytes of this read that belong to this response. */
  readonly start: number;
  readonly end: number;
  readonly spans: Int32Array;
  readonly spanCount: number;
  /** The read begins and ends on a chunk boundary, so that start..end may be forwarded as it is. */
  readonly wholeChunks: boolean;
}

export interface UpstreamEnd {
  /** Where the upstream tells usage outside of the bytes or events. */
  readonly usage?: Usage | undefined;
}

/** How far an attempt had come when it failed: decides what a retry costs and whether it may be made. */
export type FailureStage =
  /** Nothing was begun (refused, 429, 503, reset before a byte): asking again costs nothing. */
  | 'not_placed'
  /** The engine had begun, nothing was generated that we saw. */
  | 'started'
  /** Part of the answer had come. */
  | 'streaming';

export interface UpstreamError {
  readonly stage: FailureStage;
  readonly error: UnbusyError;
  /** The caller's own fault (400): never retried elsewhere. */
  readonly callerFault: boolean;
}
