/**
 * One attempt: a request on one endpoint, its answer relayed to the caller as it comes.
 *
 * The answer is held back until its first content (`firstContent`), so that an endpoint which
 * accepts and then dies can still be replaced without the caller noticing. A caller who reads
 * slowly stops the reading upstream; what is held for one caller is bounded by `unsentBytesMax`.
 * The attempt owns its timers and is over exactly once.
 */
import { toUnbusyError, UnbusyError } from '../core/errors.ts';
import type { CallerReply, ReplyHead } from '../protocol/caller.ts';
import type { GenerationEvent, GenerationRequest, Usage } from '../protocol/generation.ts';
import type {
  Clock,
  Exchange,
  OutputForm,
  Timer,
  UpstreamEnd,
  UpstreamError,
  UpstreamHandler,
  UpstreamStart,
  WireRead,
} from '../protocol/ports.ts';
import type { RelayMode } from '../protocol/telemetry.ts';
import type { Endpoint } from './endpoint.ts';
import type { AnswerRelay } from './relay/answer-relay.ts';
import { createAnswerRelay } from './relay/choose-relay.ts';

/** Per caller at most this much lies unsent before reading upstream stops (design rule 5). */
const unsentBytesMax = 256 * 1024;

export interface AttemptOptions {
  readonly endpoint: Endpoint;
  readonly request: GenerationRequest;
  readonly reply: CallerReply;
  /** The reply's head for the model that answers; called when the first content is there. */
  readonly head: (model: string, warning: string | undefined) => ReplyHead;
  /** The closing comment of a stream whose head went out before this was known. */
  readonly closingComment: (warning: string | undefined) => string | undefined;
  /** So many tokens (about: parts of the answer) have come. */
  readonly onProgress: (tokens: number) => void;
  readonly clock: Clock;
}

export type AttemptResult =
  | { readonly kind: 'complete'; readonly answer: AnswerFacts }
  | { readonly kind: 'failed'; readonly failure: UpstreamError; readonly answer: AnswerFacts }
  | { readonly kind: 'gone'; readonly answer: AnswerFacts };

/** What is known of the answer, complete or not. */
export interface AnswerFacts {
  readonly relay: RelayMode;
  /** Absent where no content came. */
  readonly firstTokenAtMs?: number | undefined;
  /** Absent where the upstream told none and nothing could be counted. */
  readonly usage?: Usage | undefined;
  readonly warning?: string | undefined;
}

export interface RunningAttempt {
  readonly result: Promise<AttemptResult>;
  /** The caller has left: stop the engine. */
  leave(): void;
  /** The program must end now: stop the engine and tell the caller. */
  stop(error: UnbusyError): void;
}

/** Dispatches the request and relays the answer. Never rejects. */
export function startAttempt(options: AttemptOptions): RunningAttempt {
  return new Attempt(options);
}

const noExchange: Exchange = { abort() {}, pause() {}, resume() {} };

class Attempt implements UpstreamHandler, RunningAttempt {
  readonly result: Promise<AttemptResult>;
  readonly #options: AttemptOptions;
  readonly #exchange: Exchange;
  readonly #firstTokenTimer: Timer;
  readonly #totalTimer: Timer;
  #settle: (result: AttemptResult) => void = () => {};
  #relay: AnswerRelay | undefined;
  #started = false;
  #over = false;
  #paused = false;
  #tokensSeen = 0;
  #firstTokenAtMs: number | undefined;

  constructor(options: AttemptOptions) {
    this.#options = options;
    const { endpoint, request, reply, clock } = options;
    this.result = new Promise((resolve) => {
      this.#settle = resolve;
    });
    const { firstTokenMs, totalMs } = endpoint.timeouts;
    this.#firstTokenTimer = clock.setTimer(firstTokenMs, () =>
      this.#timeOut('upstream_timeout_first_token', `no token within ${firstTokenMs} ms`),
    );
    this.#totalTimer = clock.setTimer(totalMs, () =>
      this.#timeOut('upstream_timeout_total', `no complete answer within ${totalMs} ms`),
    );
    reply.onDrain(() => this.#resume());
    const separate = request.reasoning.placement === 'separate';
    const output = reply.dialect !== undefined && separate ? 'bytes' : 'events';
    this.#exchange = this.#dispatch(output);
  }

  /** An upstream that throws instead of failing is a fault of ours: it ends this attempt for good. */
  #dispatch(output: OutputForm): Exchange {
    const { endpoint, request } = this.#options;
    try {
      return endpoint.upstream.dispatch(request, output, this);
    } catch (thrown) {
      this.#fail({ stage: 'not_placed', error: toUnbusyError(thrown), callerFault: true });
      return noExchange;
    }
  }

  onStart(start: UpstreamStart): void {
    this.#started = true;
    const { request, reply, head, closingComment } = this.#options;
    this.#relay = createAnswerRelay({ start, request, reply, head, closingComment });
  }

  onRead(read: WireRead): void {
    this.#guard(() => this.#openedRelay().read(read));
  }

  onEvents(events: readonly GenerationEvent[]): void {
    this.#guard(() => this.#openedRelay().events(events));
  }

  onEnd(end: UpstreamEnd): void {
    this.#guard(() => {
      const outcome = this.#openedRelay().end(end);
      if (outcome.kind === 'complete') this.#finish({ kind: 'complete', answer: this.#facts() });
      else this.#fail({ stage: this.#stage(), error: outcome.error, callerFault: false });
    });
  }

  onError(failure: UpstreamError): void {
    const nothingKept = failure.stage === 'not_placed' ? 'not_placed' : 'started';
    this.#fail({ ...failure, stage: this.#delivered() ? 'streaming' : nothingKept });
  }

  leave(): void {
    if (this.#over) return;
    this.#exchange.abort();
    this.#finish({ kind: 'gone', answer: this.#facts() });
  }

  stop(error: UnbusyError): void {
    if (this.#over) return;
    this.#exchange.abort();
    this.#fail({ stage: 'streaming', error, callerFault: false });
  }

  /** Runs one step of the relay; a fault in it ends this attempt, not the process. */
  #guard(step: () => void): void {
    if (this.#over) return;
    try {
      step();
    } catch (thrown) {
      this.#exchange.abort();
      this.#fail({ stage: this.#stage(), error: toUnbusyError(thrown), callerFault: false });
      return;
    }
    if (this.#over) return;
    this.#noteProgress();
    if (!this.#paused && this.#options.reply.unsentBytes > unsentBytesMax) {
      this.#paused = true;
      this.#exchange.pause();
    }
  }

  #noteProgress(): void {
    const seen = this.#relay?.tokensSeen ?? 0;
    if (seen === this.#tokensSeen) return;
    this.#options.onProgress(seen - this.#tokensSeen);
    this.#tokensSeen = seen;
    if (this.#firstTokenAtMs !== undefined) return;
    this.#firstTokenAtMs = this.#options.clock.now();
    this.#firstTokenTimer.cancel();
  }

  #openedRelay(): AnswerRelay {
    if (this.#relay === undefined) throw new Error('the upstream answered before it started');
    return this.#relay;
  }

  #resume(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    this.#exchange.resume();
  }

  #timeOut(code: string, what: string): void {
    if (this.#over) return;
    this.#exchange.abort();
    const error = new UnbusyError(
      'upstream_failed',
      code,
      `endpoint ${this.#options.endpoint.name}: ${what}`,
    );
    this.#fail({ stage: this.#stage(), error, callerFault: false });
  }

  #delivered(): boolean {
    return this.#relay?.delivered ?? false;
  }

  #stage(): UpstreamError['stage'] {
    if (this.#delivered()) return 'streaming';
    return this.#started ? 'started' : 'not_placed';
  }

  #facts(): AnswerFacts {
    return {
      relay: this.#relay?.mode ?? 'none',
      firstTokenAtMs: this.#firstTokenAtMs,
      usage: this.#relay?.usage,
      warning: this.#relay?.warning,
    };
  }

  #fail(failure: UpstreamError): void {
    if (this.#over) return;
    this.#finish({ kind: 'failed', failure, answer: this.#facts() });
  }

  #finish(result: AttemptResult): void {
    if (this.#over) return;
    this.#over = true;
    this.#firstTokenTimer.cancel();
    this.#totalTimer.cancel();
    this.#settle(result);
  }
}
