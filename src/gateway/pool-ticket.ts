/**
 * A request's right to be served: it waits for its turn, is placed as often as attempts are made,
 * and is settled exactly once.
 *
 * The pool (`model-pool.ts`) decides when and where; the ticket keeps what belongs to one request:
 * its promise, its deadline, and what it has been charged.
 */
import { assert, UnbusyError } from '../core/errors.ts';
import type { FairQueue, QueueItem } from '../policy/scheduling/fair-queue.ts';
import type { RequestClass } from '../policy/scheduling/request-class.ts';
import type { WaitPredictor } from '../policy/scheduling/wait-predictor.ts';
import type { CallerReply } from '../protocol/caller.ts';
import type { Usage } from '../protocol/generation.ts';
import type { Clock, Timer, UpstreamError } from '../protocol/ports.ts';
import type { Endpoint } from './endpoint.ts';

export interface TicketOptions extends QueueItem {
  /** Requests of one session go to the same endpoint while it has room. */
  readonly session: string | undefined;
  readonly dataMayLeave: boolean;
  /** Tokens that its answer is expected to have, for predicting waits. */
  readonly expectedTokens: number;
  readonly reply: CallerReply;
  /** Sends the head of a stream whose answer has not begun. */
  readonly announce: () => void;
}

/** A request's right to be served, from admission to its end. */
export interface Ticket extends QueueItem {
  readonly options: TicketOptions;
  /**
   * Waits for an endpoint. Called again after an attempt that came to nothing: the ticket then
   * stands at the head of its queue.
   *
   * @throws UnbusyError expired when the deadline passes, cancelled when the caller leaves.
   */
  place(): Promise<Placement>;
  /** Ends the waiting, now or as soon as it would begin, with this error. */
  withdraw(error: UnbusyError): void;
  /** Never again on this endpoint; false where no other one serves the model. */
  avoid(endpoint: Endpoint): boolean;
  /** So many tokens are on their way to the caller: there is no more waiting to tell about. */
  progress(tokens: number): void;
  /** The end: corrects what the tenant was charged by what was really used. */
  settle(usage: Usage | undefined): void;
}

export interface Placement {
  readonly endpoint: Endpoint;
  /** Since the ticket was opened, ms. */
  readonly waitedMs: number;
  /** The attempt is over; a failure may keep others away from the endpoint for a while. */
  release(failure: UpstreamError | undefined): void;
}

/** What a ticket needs of the pool that it belongs to. */
export interface TicketPool {
  readonly queue: FairQueue<PoolTicket>;
  readonly predictor: WaitPredictor;
  /** Tickets whose caller has had no content yet. */
  readonly silentTickets: Set<PoolTicket>;
  readonly options: { readonly clock: Clock; readonly onWaiting: () => void };
  /** Endpoints that serve the model, ready or not. */
  endpoints(): readonly Endpoint[];
  pass(ticket: PoolTicket, now: number): boolean;
  pump(): void;
  judged<T>(policy: () => T): T | undefined;
}

export class PoolTicket implements Ticket {
  readonly options: TicketOptions;
  readonly id: string;
  readonly tenant: string;
  readonly weight: number;
  readonly requestClass: RequestClass;
  readonly costTokens: number;
  readonly arrivedAtMs: number;
  readonly deadlineAtMs: number;
  readonly orderAtMs: number | undefined;
  readonly #pool: TicketPool;
  #waiting: PromiseWithResolvers<Placement> | undefined;
  #deadlineTimer: Timer | undefined;
  /** It has been placed before. */
  served = false;
  /** Names of endpoints that cannot serve it; absent while there is none. */
  tried: Set<string> | undefined;
  #ended: UnbusyError | undefined;

  constructor(pool: TicketPool, options: TicketOptions) {
    this.#pool = pool;
    this.options = options;
    this.id = options.id;
    this.tenant = options.tenant;
    this.weight = options.weight;
    this.requestClass = options.requestClass;
    this.costTokens = options.costTokens;
    this.arrivedAtMs = options.arrivedAtMs;
    this.deadlineAtMs = options.deadlineAtMs;
    this.orderAtMs = options.orderAtMs;
  }

  place(): Promise<Placement> {
    assert(this.#waiting === undefined, `ticket ${this.id} waits already`);
    const { queue, silentTickets, options } = this.#pool;
    const now = options.clock.now();
    const waiting = Promise.withResolvers<Placement>();
    this.#waiting = waiting;
    if (this.#ended !== undefined) {
      this.#reject(this.#ended);
      return waiting.promise;
    }
    const passed = this.#pool.judged(() => this.#pool.pass(this, now));
    if (passed) return waiting.promise;
    const queued = this.#pool.judged(() => this.#enqueue(now));
    if (queued?.kind === 'full') {
      this.#reject(queueFull(queue.size));
      return waiting.promise;
    }
    silentTickets.add(this);
    options.onWaiting();
    this.#pool.pump();
    if (this.#waiting !== undefined) {
      this.#deadlineTimer = options.clock.setTimer(this.deadlineAtMs - now, () => this.#expire());
    }
    return waiting.promise;
  }

  #enqueue(now: number): { readonly kind: 'queued' | 'full' } {
    const { queue } = this.#pool;
    if (!this.served) return queue.enqueue(this, now);
    queue.putBack(this, now);
    return { kind: 'queued' };
  }

  /** The pool has found room here. */
  take(endpoint: Endpoint, now: number): void {
    if (this.#waiting === undefined) return;
    this.served = true;
    endpoint.enter(this.costTokens);
    this.#pool.predictor.observeStart(this.id, this.options, now);
    this.#resolve({
      endpoint,
      waitedMs: now - this.arrivedAtMs,
      release: (failure) => this.#release(endpoint, failure),
    });
  }

  withdraw(error: UnbusyError): void {
    this.#ended = error;
    if (this.#waiting === undefined) return;
    this.#pool.queue.remove(this.id);
    this.#reject(error);
  }

  avoid(endpoint: Endpoint): boolean {
    this.tried ??= new Set();
    this.tried.add(endpoint.name);
    return this.#pool.endpoints().some(({ name }) => !this.tried?.has(name));
  }

  progress(tokens: number): void {
    const { silentTickets, predictor, options } = this.#pool;
    silentTickets.delete(this);
    predictor.observeToken(this.id, tokens, options.clock.now());
  }

  settle(usage: Usage | undefined): void {
    const { queue, silentTickets, predictor, options } = this.#pool;
    silentTickets.delete(this);
    if (this.#waiting !== undefined) this.withdraw(callerLeft());
    if (!this.served) return;
    if (usage === undefined) predictor.forget(this.id, options.clock.now());
    else predictor.observeEnd(this.id, options.clock.now());
    const used = usage === undefined ? 0 : usage.promptTokens + usage.completionTokens;
    this.#pool.judged(() => queue.settle(this, used - this.costTokens));
  }

  /** An endpoint that placed nothing is left alone for as long as it asked, else a little longer each time. */
  #release(endpoint: Endpoint, failure: UpstreamError | undefined): void {
    const { predictor, options } = this.#pool;
    if (failure === undefined) {
      endpoint.succeeded();
    } else {
      predictor.forget(this.id, options.clock.now());
      if (!failure.callerFault) endpoint.failed(failure.error.details.retryAfterMs);
    }
    endpoint.leave(this.costTokens);
  }

  #expire(): void {
    const waitedMs = Math.round(this.#pool.options.clock.now() - this.arrivedAtMs);
    const message = `no engine was free within the deadline: waited ${waitedMs} ms`;
    this.withdraw(new UnbusyError('expired', 'deadline_exceeded', message));
  }

  #resolve(placement: Placement): void {
    this.#deadlineTimer?.cancel();
    this.#waiting?.resolve(placement);
    this.#waiting = undefined;
  }

  #reject(error: UnbusyError): void {
    this.#deadlineTimer?.cancel();
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}

/** The end of a request whose caller has gone. */
export function callerLeft(): UnbusyError {
  return new UnbusyError(
    'cancelled',
    'cancelled',
    'the caller left before the answer was complete',
  );
}

function queueFull(depth: number): UnbusyError {
  return new UnbusyError(
    'overloaded',
    'queue_full',
    `${depth} requests are waiting, the most allowed`,
  );
}
