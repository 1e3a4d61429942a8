/** Stand-ins for the edges of the request path: a caller, an upstream, and telemetry that remembers. */
import type { UnbusyError } from '../../src/core/errors.ts';
import type { Call, CallerReply, ReplyEnd, ReplyHead } from '../../src/protocol/caller.ts';
import type { GenerationEvent, GenerationRequest } from '../../src/protocol/generation.ts';
import type {
  Exchange,
  OutputForm,
  PromptSize,
  Upstream,
  UpstreamError,
  UpstreamHandler,
  UpstreamStatus,
} from '../../src/protocol/ports.ts';
import type { RequestRecord, TelemetrySink } from '../../src/protocol/telemetry.ts';

export function chatRequest(changes: Partial<GenerationRequest> = {}): GenerationRequest {
  return {
    id: 'req_1',
    model: 'm',
    inputs: [{ kind: 'text', text: 'hello' }],
    choicesPerInput: 1,
    sampling: {},
    stop: [],
    echo: false,
    format: { kind: 'text' },
    reasoning: { placement: 'separate' },
    tools: [],
    deterministic: false,
    stream: true,
    ...changes,
  };
}

/** Remembers everything that was sent to the caller. */
export class FakeReply implements CallerReply {
  readonly streaming: boolean;
  readonly wantsUsage = false;
  begun = false;
  unsentBytes = 0;
  head: ReplyHead | undefined;
  comments: string[] = [];
  received: GenerationEvent[] = [];
  ended: ReplyEnd | undefined;
  failure: UnbusyError | undefined;
  failureHeaders: Readonly<Record<string, string>> = {};
  endings = 0;
  #gone: (() => void)[] = [];
  #drain: (() => void)[] = [];

  constructor(streaming: boolean) {
    this.streaming = streaming;
  }

  get text(): string {
    return this.received.map((event) => (event.kind === 'delta' ? event.text : '')).join('');
  }
  begin(head: ReplyHead): void {
    if (this.begun) return;
    this.begun = true;
    this.head = head;
  }
  comment(text: string): void {
    this.comments.push(text);
  }
  bytes(): void {
    throw new Error('this reply takes events');
  }
  body(): void {
    throw new Error('this reply takes events');
  }
  events(events: readonly GenerationEvent[]): void {
    this.received.push(...events);
  }
  finish(head: ReplyHead, end: ReplyEnd): void {
    if (!this.begun) this.head = head;
    this.ended = end;
    this.endings += 1;
  }
  fail(error: UnbusyError, headers: Readonly<Record<string, string>>): void {
    this.failure = error;
    this.failureHeaders = headers;
    this.endings += 1;
  }
  onDrain(callback: () => void): void {
    this.#drain.push(callback);
  }
  onGone(callback: () => void): void {
    this.#gone.push(callback);
  }
  leave(): void {
    for (const callback of this.#gone) callback();
  }
  drain(): void {
    this.unsentBytes = 0;
    for (const callback of this.#drain) callback();
  }
}

export interface FakeCallOptions {
  readonly id?: string;
  readonly atMs: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly request?: Partial<GenerationRequest>;
  readonly remoteAddress?: string;
  readonly fault?: UnbusyError;
}

export interface FakeCall extends Call {
  readonly answer: FakeReply;
  refused: UnbusyError | undefined;
}

export function fakeCall(options: FakeCallOptions): FakeCall {
  const id = options.id ?? 'req_1';
  const request = chatRequest({ id, ...options.request });
  const answer = new FakeReply(request.stream);
  return {
    id,
    route: 'POST /v1/chat/completions',
    receivedAtMs: options.atMs,
    remoteAddress: options.remoteAddress ?? '127.0.0.1',
    headers: options.headers ?? {},
    answer,
    refused: undefined,
    decode() {
      if (options.fault !== undefined) throw options.fault;
      return request;
    },
    reply: () => answer,
    refuse(error) {
      this.refused = error;
    },
  };
}

/** One attempt that the upstream was asked for; the test plays the engine. */
export interface FakeAttempt {
  readonly request: GenerationRequest;
  readonly handler: UpstreamHandler;
  aborted: boolean;
  paused: boolean;
  /** Answers with these texts and ends. */
  answer(...texts: string[]): void;
  say(text: string): void;
  end(): void;
  fail(failure: Partial<UpstreamError> & Pick<UpstreamError, 'error'>): void;
}

export class FakeUpstream implements Upstream {
  readonly name: string;
  readonly kind = 'fake';
  readonly attempts: FakeAttempt[] = [];
  size: PromptSize | undefined;
  #status: UpstreamStatus;
  readonly #listeners = new Set<() => void>();

  constructor(name: string, status: Partial<UpstreamStatus> = {}) {
    this.name = name;
    this.#status = { state: 'ready', models: [{ id: 'm' }], concurrencyMax: 1, ...status };
  }
  async start(): Promise<void> {}
  async close(): Promise<void> {}
  status(): UpstreamStatus {
    return this.#status;
  }
  become(status: Partial<UpstreamStatus>): void {
    this.#status = { ...this.#status, ...status };
    for (const listener of this.#listeners) listener();
  }
  onStatusChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  async measure(): Promise<PromptSize | undefined> {
    return this.size;
  }
  /** Waits until attempt number `count` has been made. */
  async attempt(count: number): Promise<FakeAttempt> {
    for (let turn = 0; turn < 1000; turn += 1) {
      const found = this.attempts[count - 1];
      if (found !== undefined) return found;
      await Promise.resolve();
    }
    throw new Error(`attempt ${count} on ${this.name} was never made`);
  }
  dispatch(request: GenerationRequest, _output: OutputForm, handler: UpstreamHandler): Exchange {
    const start = () => handler.onStart({ form: 'events', streaming: request.stream });
    const attempt: FakeAttempt = {
      request,
      handler,
      aborted: false,
      paused: false,
      say(text) {
        handler.onEvents([{ kind: 'delta', choice: 0, channel: 'answer', text }]);
      },
      end() {
        handler.onEvents([
          { kind: 'finish', choice: 0, reason: 'stop', cutInThought: false },
          {
            kind: 'usage',
            usage: { promptTokens: 1, completionTokens: 2, reasoningTokens: 0, cachedTokens: 0 },
          },
        ]);
        handler.onEnd({});
      },
      answer(...texts) {
        start();
        for (const text of texts) this.say(text);
        this.end();
      },
      fail(failure) {
        handler.onError({ stage: 'not_placed', callerFault: false, ...failure });
      },
    };
    this.attempts.push(attempt);
    return {
      abort: () => {
        attempt.aborted = true;
      },
      pause: () => {
        attempt.paused = true;
      },
      resume: () => {
        attempt.paused = false;
      },
    };
  }
}

export function rememberingTelemetry(): TelemetrySink & { readonly settled: RequestRecord[] } {
  const settled: RequestRecord[] = [];
  return {
    settled,
    requestSettled: (record) => settled.push(record),
    engineStep() {},
    endpointState() {},
    note() {},
  };
}
