/**
 * Queue and route for one model: tickets wait in fair order until an endpoint has room.
 *
 * A ticket is opened for each admitted request, placed as often as attempts are made, and settled
 * exactly once. The queue says whose turn it is and the routing policy where it may go; both are
 * pure, this file does the waiting. It is woken when an endpoint gains room, changes its state, or
 * has rested as long as it asked to.
 */
import { assert, UnbusyError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { type EndpointSnapshot, pickEndpoint } from '../policy/routing/pick-endpoint.ts';
import { FairQueue, type QueueItem } from '../policy/scheduling/fair-queue.ts';
import type { RequestClass } from '../policy/scheduling/request-class.ts';
import { createWaitPredictor } from '../policy/scheduling/wait-predictor.ts';
import type { CallerReply } from '../protocol/caller.ts';
import type { Usage } from '../protocol/generation.ts';
import type { Clock, Timer, UpstreamError } from '../protocol/ports.ts';
import type { Endpoint } from './endpoint.ts';

export interface ModelPoolOptions {
  readonly model: string;
  /** Every endpoint that may come to serve the model; asked again at each choice. */
  readonly endpoints: readonly Endpoint[];
  readonly serves: (endpoint: Endpoint, model: string) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly maxDepth: number;
  readonly ageMs: number;
  /** A ticket has begun to wait for its first content. */
  readonly onWaiting: () => void;
  /** A policy threw; the requests go on without it. */
  readonly onFault: (fault: unknown) => void;
}

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

export interface WaitingTicket {
  readonly ticket: Ticket;
  /** 1-based place in the queue; 0 while an endpoint works on it. */
  readonly position: number;
  readonly etaMs: number;
}

export interface ModelPool {
  readonly model: string;
  readonly depth: number;
  depths(): readonly { model: string; requestClass: string; depth: number }[];
  /** Endpoints that serve the model now, ready or not. */
  endpoints(): readonly Endpoint[];
  /** How long such a request would wait if it came now, ms. */
  predictWaitMs(item: QueueItem): number;
  /** @throws UnbusyError overloaded `queue_full`. */
  open(options: TicketOptions): Ticket;
  /** Everyone who has had no content yet. */
  silent(): readonly WaitingTicket[];
}

interface Candidate extends EndpointSnapshot {
  readonly endpoint: Endpoint;
}

export function createModelPool(options: ModelPoolOptions): ModelPool {
  return new Pool(options);
}

/** Its queue and predictor are open to the tickets of this file. */
class Pool implements ModelPool {
  readonly model: string;
  readonly options: ModelPoolOptions;
  readonly queue: FairQueue<PoolTicket>;
  readonly predictor = createWaitPredictor();
  readonly silentTickets = new Set<PoolTicket>();

  constructor(options: ModelPoolOptions) {
    this.model = options.model;
    this.options = options;
    this.queue = new FairQueue({ maxDepth: options.maxDepth, ageMs: options.ageMs });
    for (const endpoint of options.endpoints) endpoint.onOpening(() => this.pump());
  }

  get depth(): number {
    return this.queue.size;
  }

  depths() {
    return Object.entries(this.queue.depths()).map(([requestClass, depth]) => ({
      model: this.model,
      requestClass,
      depth,
    }));
  }

  endpoints(): readonly Endpoint[] {
    const { endpoints, serves } = this.options;
    return endpoints.filter((endpoint) => serves(endpoint, this.model));
  }

  predictWaitMs(item: QueueItem): number {
    return this.judged(() => this.#predictWaitMs(item)) ?? 0;
  }

  #predictWaitMs(item: QueueItem): number {
    const ready = this.#candidates(this.options.clock.now()).filter(({ ready }) => ready);
    const now = this.options.clock.now();
    const concurrencyMax = ready.reduce((sum, { concurrencyMax }) => sum + concurrencyMax, 0);
    // Nobody is up at this moment: what a restart takes is not known, and the deadline bounds it.
    if (concurrencyMax === 0) return 0;
    const ahead = this.queue.aheadOf(item as PoolTicket, now);
    return this.predictor.predictWaitMs({ ahead, concurrencyMax }, now);
  }

  open(options: TicketOptions): Ticket {
    return new PoolTicket(this, options);
  }

  silent(): readonly WaitingTicket[] {
    const now = this.options.clock.now();
    const positions = this.queue.positions(now);
    const concurrencyMax = this.#candidates(now).reduce((sum, one) => sum + one.concurrencyMax, 0);
    return [...this.silentTickets].map((ticket) => {
      const position = positions.get(ticket.id) ?? 0;
      const ahead = { requests: position - 1, costTokens: (position - 1) * ticket.costTokens };
      const etaMs =
        position === 0 ? 0 : this.predictor.predictWaitMs({ ahead, concurrencyMax }, now);
      return { ticket, position, etaMs };
    });
  }

  /** Gives room to those whose turn it is, until there is none or nobody can use it. */
  pump(): void {
    const pumped = this.judged(() => this.#pump());
    if (pumped === undefined) this.#placePlainly();
  }

  /** Places a newcomer at once where nobody waits and there is room. */
  pass(ticket: PoolTicket, now: number): boolean {
    if (this.queue.size > 0 || ticket.served) return false;
    const picked = this.#pick(this.#candidates(now), ticket);
    if (picked === undefined) return false;
    this.queue.pass(ticket, now);
    this.silentTickets.add(ticket);
    this.options.onWaiting();
    ticket.take(picked.endpoint, now);
    return true;
  }

  /** What a policy says; undefined where it threw. A bug in our judgement must not be an outage. */
  judged<T>(policy: () => T): T | undefined {
    try {
      return policy();
    } catch (fault) {
      this.options.onFault(fault);
      return undefined;
    }
  }

  /** Without the queue's judgement: everyone who waits goes to the first endpoint that is ready. */
  #placePlainly(): void {
    const now = this.options.clock.now();
    for (const ticket of [...this.silentTickets]) {
      const ready = this.#candidates(now).find((candidate) => candidate.ready);
      if (ready === undefined) return;
      ticket.take(ready.endpoint, now);
    }
  }

  #pump(): true {
    while (this.queue.size > 0) {
      const now = this.options.clock.now();
      const candidates = this.#candidates(now);
      let picked: Candidate | undefined;
      const ticket = this.queue.next(now, (item) => {
        picked = this.#pick(candidates, item);
        return picked !== undefined;
      });
      if (ticket === undefined || picked === undefined) break;
      ticket.take(picked.endpoint, now);
    }
    return true;
  }

  #candidates(now: number): readonly Candidate[] {
    return this.endpoints().map((endpoint) => {
      const status = endpoint.upstream.status();
      return {
        endpoint,
        name: endpoint.name,
        ready: status.state === 'ready' && endpoint.restUntilMs <= now,
        models: [this.model],
        inFlight: endpoint.inFlight,
        outstandingTokens: endpoint.outstandingTokens,
        concurrencyMax: status.concurrencyMax,
        weight: endpoint.weight,
        location: endpoint.location,
        overflowOnly: false,
      };
    });
  }

  #pick(candidates: readonly Candidate[], ticket: PoolTicket): Candidate | undefined {
    const { dataMayLeave, session } = ticket.options;
    const decision = pickEndpoint(
      candidates,
      { model: this.model, mayLeave: dataMayLeave, session },
      { random: this.options.random },
    );
    return decision.kind === 'picked' ? decision.endpoint : undefined;
  }
}

class PoolTicket implements Ticket {
  readonly options: TicketOptions;
  readonly id: string;
  readonly tenant: string;
  readonly weight: number;
  readonly requestClass: RequestClass;
  readonly costTokens: number;
  readonly arrivedAtMs: number;
  readonly deadlineAtMs: number;
  readonly orderAtMs: number | undefined;
  readonly #pool: Pool;
  #waiting: PromiseWithResolvers<Placement> | undefined;
  #deadlineTimer: Timer | undefined;
  /** It has been placed before. */
  served = false;
  #ended: UnbusyError | undefined;

  constructor(pool: Pool, options: TicketOptions) {
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
