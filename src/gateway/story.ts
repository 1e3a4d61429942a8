/**
 * The story of one request while it happens: what its headers can say so far, and at the end the
 * record for telemetry. Owned by `handle-request.ts`; holds no prompt, answer or key.
 */
import type { Clock } from '../core/clock.ts';
import { httpStatusOfError } from '../core/error-catalogue.ts';
import { type AttemptSummary, UnbusyError } from '../core/errors.ts';
import type { Call, ReplyHead } from '../protocol/caller.ts';
import type { GenerationRequest, Usage } from '../protocol/generation.ts';
import type { Outcome, RequestRecord } from '../protocol/telemetry.ts';
import type { AnswerFacts, AttemptResult } from './attempt.ts';
import type { Identity } from './identify.ts';
import type { SharedEnd } from './shared-reply.ts';

/** An endpoint that is asked again and again until a deadline would fill pages otherwise. */
const attemptsTold = 20;

export class Story {
  readonly #call: Call;
  readonly #clock: Clock;
  /** The last ones. */
  readonly #attempts: AttemptSummary[] = [];
  #attemptsMade = 0;
  #identity: Identity | undefined;
  #request: GenerationRequest | undefined;
  #requestClass = '';
  #predictedQueueMs = 0;
  #endpoint: string | undefined;
  #queueMs = 0;
  /** Present while an attempt is being made. */
  #placedAtMs: number | undefined;
  #answer: AnswerFacts = { relay: 'none' };
  #outcome: Outcome = 'failed';
  #status = 200;
  #errorCode: string | undefined;
  #usage: Usage | undefined;
  /** What the head of the reply has said already. */
  #told = { placement: false, warning: false };

  constructor(call: Call, clock: Clock) {
    this.#call = call;
    this.#clock = clock;
  }

  get attempts(): readonly AttemptSummary[] {
    return this.#attempts;
  }

  /** Tokens used, as far as known. */
  get usage(): Usage | undefined {
    return this.#usage;
  }

  identified(identity: Identity): void {
    this.#identity = identity;
  }

  decoded(request: GenerationRequest): void {
    this.#request = request;
  }

  admitted(requestClass: string, predictedQueueMs: number): void {
    this.#requestClass = requestClass;
    this.#predictedQueueMs = predictedQueueMs;
  }

  placed(endpoint: string, waitedMs: number): void {
    this.#endpoint = endpoint;
    this.#queueMs = waitedMs;
    this.#placedAtMs = this.#clock.now();
  }

  attempted(endpoint: string, result: AttemptResult): void {
    const now = this.#clock.now();
    const durationMs = Math.round(now - (this.#placedAtMs ?? now));
    this.#placedAtMs = undefined;
    const label = result.kind === 'failed' ? result.failure.error.code : result.kind;
    this.#attemptsMade += 1;
    this.#attempts.push({ endpoint, result: label, durationMs });
    if (this.#attempts.length > attemptsTold) this.#attempts.shift();
    this.#answer = result.answer;
    this.#usage = result.answer.usage ?? this.#usage;
    if (result.kind === 'complete') this.#outcome = 'completed';
  }

  /** The answer was that of the same request in flight; what went wrong was told there. */
  coalesced(end: SharedEnd): void {
    if (end.kind === 'failed') {
      this.failed(end.error, false);
    } else {
      this.#outcome = end.kind === 'finished' ? 'coalesced' : 'cancelled';
    }
  }

  /** The error as this caller may hear it: endpoint names are for those with the debug right. */
  forCaller(error: UnbusyError): UnbusyError {
    const { attempts } = error.details;
    if (attempts === undefined || this.#identity?.mayDebug) return error;
    const numbers = new Map<string, string>();
    const told = attempts.map((attempt) => {
      const number = numbers.get(attempt.endpoint) ?? `endpoint ${numbers.size + 1}`;
      numbers.set(attempt.endpoint, number);
      return { ...attempt, endpoint: number };
    });
    const { kind, code, message, details } = error;
    return new UnbusyError(kind, code, message, { ...details, attempts: told });
  }

  /** `begun`: the caller has the head of a stream already, so its status stays 200. */
  failed(error: UnbusyError, begun: boolean): void {
    this.#errorCode = error.code;
    this.#status = begun ? 200 : httpStatusOfError(error);
    this.#outcome = outcomeOf(error, { begun, attempted: this.#attemptsMade > 0 });
  }

  /** Headers for what is known now. */
  headers(): Record<string, string> {
    const known: Record<string, string> = {};
    if (this.#endpoint === undefined) return known;
    known['x-unbusy-queue-ms'] = String(Math.round(this.#queueMs));
    known['x-unbusy-attempts'] = String(this.#attemptCount());
    if (this.#identity?.mayDebug) known['x-unbusy-endpoint'] = this.#endpoint;
    return known;
  }

  /** The head of a reply that is about to be sent. */
  head(model: string, warning: string | undefined): ReplyHead {
    this.#told = { placement: this.#endpoint !== undefined, warning: warning !== undefined };
    const known = this.headers();
    known['x-unbusy-model'] = headerSafe(model);
    if (warning !== undefined) known['x-unbusy-warning'] = warning;
    return { model, headers: known };
  }

  /** What could not be in the head of a stream, or undefined where nothing is missing. */
  closingComment(warning: string | undefined): string | undefined {
    const late: string[] = [];
    if (!this.#told.placement && this.#endpoint !== undefined) {
      if (this.#identity?.mayDebug) late.push(`endpoint=${this.#endpoint}`);
      late.push(`queue_ms=${Math.round(this.#queueMs)}`, `attempts=${this.#attemptCount()}`);
    }
    if (!this.#told.warning && warning !== undefined) late.push(`warning=${warning}`);
    return late.length === 0 ? undefined : `unbusy ${late.join(' ')}`;
  }

  settled(): RequestRecord {
    const { id, route, receivedAtMs } = this.#call;
    const { relay, firstTokenAtMs, warning } = this.#answer;
    return {
      id,
      route,
      model: this.#request?.model ?? '',
      tenant: this.#identity?.tenant ?? '',
      requestClass: this.#requestClass,
      stream: this.#request?.stream ?? false,
      outcome: this.#outcome,
      status: this.#status,
      errorCode: this.#errorCode,
      endpoint: this.#endpoint,
      relay,
      attempts: this.#attempts,
      queueMs: this.#queueMs,
      predictedQueueMs: this.#predictedQueueMs,
      firstTokenMs: firstTokenAtMs === undefined ? undefined : firstTokenAtMs - receivedAtMs,
      durationMs: this.#clock.now() - receivedAtMs,
      usage: this.#usage,
      warning,
    };
  }

  /** The attempt that is being made counts. */
  #attemptCount(): number {
    return this.#attemptsMade + (this.#placedAtMs === undefined ? 0 : 1);
  }
}

/** Refused for its own fault or before any attempt, expired in the queue; a break after the first byte interrupts. */
function outcomeOf(
  error: UnbusyError,
  { begun, attempted }: { readonly begun: boolean; readonly attempted: boolean },
): Outcome {
  if (error.kind === 'cancelled') return 'cancelled';
  if (error.kind === 'expired') return 'expired';
  if (error.kind === 'invalid_request' && !begun) return 'refused';
  if (!attempted && error.kind !== 'internal') return 'refused';
  return begun ? 'interrupted' : 'failed';
}

/** Header values are visible ASCII; a model name may hold anything. */
function headerSafe(value: string): string {
  return value.replace(/[^\x20-\x7e]/gu, '?');
}
