/**
 * One attempt on an OpenAI-shaped API: what its HTTP answer means, told to an `UpstreamHandler`.
 *
 * The head decides how the body is read: as events, as one JSON object, or as an error. Nothing is
 * told before the answer has really begun, so that every refusal is known to have cost nothing,
 * also one that comes after a 200. From then on a stream's bytes pass without being looked at.
 */
import { assertNever, UnbusyError } from '../core/errors.ts';
import type { Dialect, GenerationEvent, GenerationRequest } from '../protocol/generation.ts';
import type {
  Exchange,
  OutputForm,
  UpstreamError,
  UpstreamHandler,
  WireRead,
} from '../protocol/ports.ts';
import { GIVEN_UP_REASONS } from '../protocol/sse-scanner.ts';
import { ChunkScan } from '../protocol/wire-chunk.ts';
import { createWireEvents, type WireEvents } from '../protocol/wire-events.ts';
import { skipSpace } from '../protocol/wire-json.ts';
import type { WireEngine } from '../protocol/wire-request.ts';
import type { HttpClient } from './http1/http-client.ts';
import type { HttpExchange, HttpFailure, HttpHandler } from './http1/http-exchange.ts';
import type { ResponseHead } from './http1/response-head.ts';
import {
  badAnswer,
  cutError,
  droppedError,
  errorFromFailure,
  errorFromObject,
  errorFromStatus,
} from './openai-error.ts';
import { type GateVerdict, payloadOf, plainRead, StreamGate } from './stream-gate.ts';

export interface AttemptTimeouts {
  readonly connectMs: number;
  /** Longest silence before a stream's first content, ms. */
  readonly firstTokenMs: number;
  /** Longest silence within a stream, ms. */
  readonly idleMs: number;
  /** Longest wait for an answer that comes whole, ms. */
  readonly totalMs: number;
}

export interface OpenAiExchangeOptions {
  readonly endpoint: string;
  readonly engine: WireEngine;
  readonly client: HttpClient;
  readonly request: GenerationRequest;
  readonly dialect: Dialect;
  readonly addsUsage: boolean;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly output: OutputForm;
  readonly timeouts: AttemptTimeouts;
  readonly now: () => number;
  /** Told when nobody was there. */
  readonly onUnavailable: () => void;
}

/** An error page needs no more to be understood. */
const ERROR_BYTES_MAX = 65_536;
/** R1's longest answer is under 1 MiB; log-probabilities for it can be a hundred times that. */
const BODY_BYTES_MAX = 256 * 1024 * 1024;

type OpenVerdict = Extract<GateVerdict, { readonly kind: 'open' }>;
type Mode = 'head' | 'error' | 'gate' | 'bytes' | 'events' | 'json' | 'passed' | 'over';

export class OpenAiExchange implements Exchange, HttpHandler {
  readonly #options: OpenAiExchangeOptions;
  readonly #handler: UpstreamHandler;
  readonly #http: HttpExchange;
  #mode: Mode = 'head';
  #head: ResponseHead | undefined;
  #gate: StreamGate | undefined;
  #wireEvents: WireEvents | undefined;
  #body: Buffer[] = [];
  #bodyLength = 0;

  /** Throws a `TypeError` where the client cannot send the request. */
  constructor(options: OpenAiExchangeOptions, body: Uint8Array, handler: UpstreamHandler) {
    this.#options = options;
    this.#handler = handler;
    const { client, request, timeouts, path, headers } = options;
    const patienceMs = request.stream ? timeouts.firstTokenMs : timeouts.totalMs;
    this.#http = client.request(
      {
        method: 'POST',
        path,
        headers,
        body,
        firstByteMs: patienceMs,
        idleMs: patienceMs,
      },
      this,
    );
  }

  abort(): void {
    this.#mode = 'over';
    this.#http.abort();
  }

  pause(): void {
    this.#http.pause();
  }

  resume(): void {
    this.#http.resume();
  }

  onHead(head: ResponseHead): void {
    this.#head = head;
    const type = (head.headers.get('content-type') ?? '').toLowerCase();
    const coding = head.headers.get('content-encoding') ?? 'identity';
    if (head.status < 200 || head.status > 299) {
      this.#mode = 'error';
    } else if (coding !== 'identity') {
      this.#fail(badAnswer(this.#options.endpoint, `content-encoding ${coding}, unasked`));
    } else if (type.startsWith('text/html')) {
      this.#mode = 'error';
    } else if (type.startsWith('text/event-stream') && !this.#options.request.stream) {
      this.#fail(badAnswer(this.#options.endpoint, 'an event stream where JSON was asked for'));
    } else if (type.startsWith('application/json') || !this.#options.request.stream) {
      this.#mode = 'json';
    } else {
      this.#mode = 'gate';
      this.#gate = new StreamGate();
    }
  }

  onRead(read: WireRead): void {
    switch (this.#mode) {
      case 'bytes':
        this.#handler.onRead(read);
        return;
      case 'events':
        this.#passEvents(read);
        return;
      case 'gate':
        this.#readGate(read);
        return;
      case 'json':
        if (!this.#passWholeBody(read)) this.#collect(read, BODY_BYTES_MAX);
        return;
      case 'error':
        this.#collect(read, ERROR_BYTES_MAX);
        return;
      case 'head':
      case 'passed':
      case 'over':
        return;
      default:
        assertNever(this.#mode);
    }
  }

  onEnd(): void {
    const { endpoint, now } = this.#options;
    switch (this.#mode) {
      case 'bytes':
      case 'passed':
        this.#end();
        return;
      case 'events':
        if (this.#isComplete()) this.#end();
        else this.#fail(cutError(endpoint, 'streaming'));
        return;
      case 'gate':
        this.#fail(cutError(endpoint, 'started'));
        return;
      case 'json':
        if (this.#tellBody(plainRead(Buffer.concat(this.#body)))) this.#end();
        return;
      case 'error': {
        const body = Buffer.concat(this.#body);
        const { status = 0, headers = new Map<string, string>() } = this.#head ?? {};
        if (status >= 200 && status < 300) {
          this.#fail(badAnswer(endpoint, 'an HTML page; the url is not that of an API'));
        } else {
          this.#fail(errorFromStatus(endpoint, status, headers, body, now()));
        }
        return;
      }
      case 'head':
      case 'over':
        return;
      default:
        assertNever(this.#mode);
    }
  }

  onError(failure: HttpFailure): void {
    if (this.#mode === 'over') return;
    const { endpoint, now } = this.#options;
    if (this.#mode === 'error' && this.#head !== undefined) {
      const body = Buffer.concat(this.#body);
      this.#fail(errorFromStatus(endpoint, this.#head.status, this.#head.headers, body, now()));
      return;
    }
    this.#fail(errorFromFailure(endpoint, failure, this.#told() ? 'streaming' : 'started'));
  }

  #told(): boolean {
    return this.#mode === 'bytes' || this.#mode === 'events' || this.#mode === 'passed';
  }

  #readGate(read: WireRead): void {
    const { endpoint } = this.#options;
    const verdict = this.#gate?.push(read);
    switch (verdict?.kind) {
      case 'open':
        this.#gate = undefined;
        this.#openStream(read, verdict);
        return;
      case 'error':
        this.#fail(errorFromObject(endpoint, verdict.data));
        return;
      case 'dropped':
        this.#fail(droppedError(endpoint, verdict.reason));
        return;
      case 'malformed':
        this.#fail(badAnswer(endpoint, 'an event stream whose data is not JSON'));
        return;
      case 'empty':
        this.#fail(badAnswer(endpoint, 'a stream without content'));
        return;
      default:
        return;
    }
  }

  #openStream(read: WireRead, { held, model, namesReasoning }: OpenVerdict): void {
    const { output, timeouts, dialect, addsUsage, engine } = this.#options;
    this.#mode = output;
    this.#http.setIdleMs(timeouts.idleMs);
    if (output === 'events') this.#wireEvents = createWireEvents(dialect);
    // vLLM may begin with an answer's first words and still have a thought to come.
    const renamesReasoning = namesReasoning || engine === 'vllm';
    const form = { form: output, streaming: true } as const;
    this.#handler.onStart({ ...form, model, renamesReasoning, addsUsage });
    for (const one of held === undefined ? [read] : [held, read]) {
      if (this.#told()) this.onRead(one);
    }
  }

  #passEvents(read: WireRead): void {
    let events: readonly GenerationEvent[];
    try {
      events = this.#wireEvents?.push(read) ?? [];
    } catch (thrown) {
      if (!(thrown instanceof UnbusyError)) throw thrown;
      this.#fail({ stage: 'streaming', error: thrown, callerFault: false });
      return;
    }
    if (events.length > 0) this.#handler.onEvents(events);
  }

  #isComplete(): boolean {
    const { inputs, choicesPerInput } = this.#options.request;
    const marks = this.#wireEvents?.marks;
    if (marks === undefined) return false;
    return marks.finishedChoices >= inputs.length * choicesPerInput || marks.done;
  }

  /** A body that one read brought whole, which most are, is passed on where it lies. */
  #passWholeBody(read: WireRead): boolean {
    const framing = this.#head?.framing;
    const length = (read.spans[1] ?? 0) - (read.spans[0] ?? 0);
    const whole = framing?.kind === 'length' && framing.length === length;
    if (!whole || this.#bodyLength > 0) return false;
    if (this.#tellBody(read)) this.#mode = 'passed';
    return true;
  }

  /** Looks at a whole body and tells the handler. False: it was none, and the attempt has failed. */
  #tellBody(read: WireRead): boolean {
    const { endpoint, request, output } = this.#options;
    const { buffer, spans } = read;
    const end = spans[1] ?? 0;
    // Providers send line breaks while a request waits in their queue (DeepSeek).
    const start = skipSpace(buffer, spans[0] ?? 0, end);
    const scan = new ChunkScan();
    const sound = scan.scan(buffer, start, end);
    const failure = bodyFailure(endpoint, scan, sound, buffer.subarray(start, end));
    if (failure !== undefined) {
      this.#fail(failure);
      return false;
    }
    const model = stringAt(buffer, scan.modelStart, scan.modelEnd);
    this.#mode = 'passed';
    if (output === 'events' || request.stream) {
      const events = createWireEvents(this.#options.dialect).body(buffer.subarray(start, end));
      this.#handler.onStart({ form: 'events', streaming: request.stream, model });
      if (this.#told()) this.#handler.onEvents(events);
    } else {
      const contentLength = end - start;
      const renamesReasoning = scan.reasoningKeys.length > 0;
      const form = { form: 'bytes', streaming: false } as const;
      this.#handler.onStart({ ...form, model, renamesReasoning, contentLength });
      const trimmed = { buffer, start, end, spans: Int32Array.of(start, end), spanCount: 1 };
      if (this.#told()) this.#handler.onRead({ ...trimmed, wholeChunks: false });
    }
    return this.#told();
  }

  #collect(read: WireRead, bytesMax: number): void {
    for (const part of payloadOf(read)) {
      this.#body.push(Buffer.from(part));
      this.#bodyLength += part.length;
    }
    if (this.#bodyLength <= bytesMax) return;
    if (this.#mode === 'error') {
      this.#http.abort();
      this.onEnd();
    } else {
      this.#fail(badAnswer(this.#options.endpoint, `more than ${bytesMax} bytes`));
    }
  }

  #end(): void {
    this.#mode = 'over';
    this.#handler.onEnd({});
  }

  #fail(error: UpstreamError): void {
    if (this.#mode === 'over') return;
    this.#mode = 'over';
    this.#http.abort();
    if (error.error.kind === 'upstream_unavailable') this.#options.onUnavailable();
    this.#handler.onError(error);
  }
}

/** Why a body with a 2xx status is no answer; undefined where it is one. */
function bodyFailure(
  endpoint: string,
  scan: ChunkScan,
  sound: boolean,
  body: Buffer,
): UpstreamError | undefined {
  if (!sound) return badAnswer(endpoint, 'a body that is not a JSON object');
  if (scan.errorStart >= 0 || !scan.hasChoices) return errorFromObject(endpoint, body);
  const dropped = scan.finishReasons.find((reason) => GIVEN_UP_REASONS.has(reason));
  if (dropped === undefined) return undefined;
  const begun = scan.hasAnswer || scan.hasReasoning;
  return begun ? cutError(endpoint, 'started') : droppedError(endpoint, dropped);
}

function stringAt(bytes: Buffer, start: number, end: number): string | undefined {
  if (start < 0) return undefined;
  const value: unknown = JSON.parse(bytes.toString('utf8', start, end));
  return typeof value === 'string' ? value : undefined;
}
