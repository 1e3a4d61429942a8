/**
 * An endpoint with an OpenAI-compatible API as an `Upstream`: vLLM, SGLang, llama-server, or
 * whatever else speaks it. What it is gets found out at run time and again whenever it has been
 * away, because addresses outlive the engines behind them.
 *
 * Owns the HTTP client, the endpoint's status and the probing. One attempt is an `OpenAiExchange`.
 */
import { UnbusyError } from '../core/errors.ts';
import type { GenerationRequest } from '../protocol/generation.ts';
import type {
  Clock,
  Exchange,
  OutputForm,
  Upstream,
  UpstreamError,
  UpstreamHandler,
  UpstreamStatus,
} from '../protocol/ports.ts';
import type { TelemetrySink } from '../protocol/telemetry.ts';
import { encodeWireRequest, type WireEngine } from '../protocol/wire-request.ts';
import { EndpointWatch } from './endpoint-watch.ts';
import { createHttpClient, type HttpClient, type HttpClientOptions } from './http1/http-client.ts';
import { encodeRequest } from './http1/request-bytes.ts';
import {
  type AttemptTimeouts,
  OpenAiExchange,
  type OpenAiExchangeOptions,
} from './openai-exchange.ts';
import { createSideCalls } from './openai-side-calls.ts';

export interface OpenAiUpstreamOptions {
  /** The endpoint's name in the config. */
  readonly name: string;
  /** `openai` or absent: found out by asking. */
  readonly kind?: WireEngine | undefined;
  /** May end in /v1 or not. */
  readonly url: string;
  readonly key?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The model's name over there. */
  readonly upstreamModel?: string | undefined;
  readonly timeouts: AttemptTimeouts;
  /** Default: what the engine tells, else 64. */
  readonly concurrencyMax?: number | undefined;
  readonly clock: Clock;
  readonly telemetry: TelemetrySink;
  /** Further options of TLS connections. */
  readonly tls?: HttpClientOptions['tls'];
}

/** Enough to keep a large engine busy, few enough that its own queue stays short. */
const CONCURRENCY_WHEN_UNKNOWN = 64;

/** Throws `UnbusyError` `invalid_config` where the url, key or headers cannot be used. */
export function createOpenAiUpstream(options: OpenAiUpstreamOptions): Upstream {
  return new OpenAiUpstream(options);
}

class OpenAiUpstream implements Upstream {
  readonly name: string;
  /** Present where the engine that was found offers them. */
  tokenize?: NonNullable<Upstream['tokenize']>;
  detokenize?: NonNullable<Upstream['detokenize']>;
  render?: NonNullable<Upstream['render']>;
  forward?: NonNullable<Upstream['forward']>;
  readonly #options: OpenAiUpstreamOptions;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #client: HttpClient;
  readonly #watch: EndpointWatch;
  readonly #now: () => number;
  readonly #doubt: () => void;

  constructor(options: OpenAiUpstreamOptions) {
    const { name, clock, timeouts, upstreamModel, telemetry, tls } = options;
    const url = parseUrl(name, options.url);
    const headers = requestHeaders(options);
    checkHeaders(name, headers, url.host);
    const client = createHttpClient({ origin: url, clock, connectMs: timeouts.connectMs, tls });
    const engine = options.kind === 'openai' ? undefined : options.kind;
    const probe = { client, url, headers, upstreamModel, engine };
    const onFacts = () => this.#offerSideCalls();
    this.name = name;
    this.#options = options;
    this.#headers = headers;
    this.#client = client;
    this.#watch = new EndpointWatch({ ...probe, name, clock, telemetry, onFacts });
    this.#now = () => clock.now();
    this.#doubt = () => this.#watch.doubt();
  }

  /** The engine that was found; before that what the config says. */
  get kind(): string {
    return this.#watch.facts?.engine ?? this.#options.kind ?? 'openai';
  }

  start(): Promise<void> {
    return this.#watch.start();
  }

  status(): UpstreamStatus {
    const { facts, state, reason, tokensPerSecond } = this.#watch;
    return {
      state,
      reason,
      models: facts?.models ?? [],
      concurrencyMax: this.#options.concurrencyMax ?? facts?.slots ?? CONCURRENCY_WHEN_UNKNOWN,
      kvUsageRatio: facts?.metrics?.kvUsageRatio,
      tokensPerSecond,
    };
  }

  onStatusChange(listener: () => void): () => void {
    return this.#watch.onChange(listener);
  }

  dispatch(request: GenerationRequest, output: OutputForm, handler: UpstreamHandler): Exchange {
    if (output === 'events' && request.tools.length > 0) return refuseLater(handler, TOOLS_REFUSED);
    const { engine = 'openai', apiBase = '/v1' } = this.#watch.facts ?? {};
    const target = { engine, model: this.#modelFor(request.model) };
    const { dialect, path, body, addsUsage } = encodeWireRequest(request, target);
    const options: OpenAiExchangeOptions = {
      endpoint: this.name,
      engine,
      client: this.#client,
      request,
      dialect,
      addsUsage,
      path: apiBase + path,
      headers: { ...this.#headers, 'x-request-id': request.id },
      output,
      timeouts: this.#options.timeouts,
      now: this.#now,
      onUnavailable: this.#doubt,
    };
    try {
      return new OpenAiExchange(options, body, handler);
    } catch (thrown) {
      if (!(thrown instanceof TypeError)) throw thrown;
      return refuseLater(handler, unsendable(this.name, thrown));
    }
  }

  close(): Promise<void> {
    this.#watch.close();
    this.#client.close();
    return Promise.resolve();
  }

  /** The caller's name where it is known there; a lone model is meant whatever it is called. */
  #modelFor(model: string): string {
    const models = this.#watch.facts?.models ?? [];
    const [only] = models;
    if (only === undefined || models.some(({ id }) => id === model)) return model;
    return models.length === 1 ? only.id : model;
  }

  #offerSideCalls(): void {
    const { facts } = this.#watch;
    if (facts === undefined) return;
    const { timeouts, clock } = this.#options;
    const side = { name: this.name, client: this.#client, headers: this.#headers };
    delete this.tokenize;
    delete this.detokenize;
    delete this.render;
    Object.assign(this, createSideCalls({ ...side, facts, timeouts, clock }));
  }
}

/** Tool calls have no event form, and a caller who waits for them must not lose them silently. */
const TOOLS_REFUSED: UpstreamError = {
  stage: 'not_placed',
  error: new UnbusyError(
    'invalid_request',
    'unsupported_parameter',
    'tools cannot be combined with a thought placed inside of the content',
    { param: 'tools', retryable: false },
  ),
  callerFault: true,
};

/** The endpoint has been closed here meanwhile, or its request cannot be written as HTTP. */
function unsendable(endpoint: string, cause: TypeError): UpstreamError {
  const message = `endpoint ${endpoint}: ${cause.message}`;
  const code = 'upstream_unavailable';
  return {
    stage: 'not_placed',
    error: new UnbusyError(code, code, message, { cause }),
    callerFault: false,
  };
}

/** A handler is never called from within `dispatch`. */
function refuseLater(handler: UpstreamHandler, failure: UpstreamError): Exchange {
  let over = false;
  queueMicrotask(() => {
    if (!over) handler.onError(failure);
  });
  return {
    abort() {
      over = true;
    },
    pause() {},
    resume() {},
  };
}

function requestHeaders(options: OpenAiUpstreamOptions): Readonly<Record<string, string>> {
  return {
    'content-type': 'application/json',
    ...(options.key === undefined ? {} : { authorization: `Bearer ${options.key}` }),
    ...options.headers,
  };
}

/** Also refuses what would be left out of every request: a query, a fragment, a password. */
function parseUrl(name: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw invalidConfig(`endpoints.${name}.url`, 'is not an http:// or https:// URL');
  }
  if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    const allowed = 'may have a scheme, a host, a port and a path only; a key goes into `key`';
    throw invalidConfig(`endpoints.${name}.url`, allowed);
  }
  return url;
}

/** Headers that cannot be sent are found now and not with the first request. */
function checkHeaders(name: string, headers: Readonly<Record<string, string>>, host: string): void {
  try {
    encodeRequest({ method: 'GET', path: '/', headers, firstByteMs: 0, idleMs: 0 }, host);
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown;
    throw invalidConfig(`endpoints.${name}`, thrown.message);
  }
}

function invalidConfig(param: string, what: string): UnbusyError {
  return new UnbusyError('invalid_request', 'invalid_config', `${param}: ${what}`, { param });
}
