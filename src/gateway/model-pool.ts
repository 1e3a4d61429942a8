/**
 * Queue and route for one model: tickets wait in fair order until an endpoint has room.
 *
 * The queue says whose turn it is and the routing policy where it may go; both are pure, this file
 * connects them with what is there. It is woken when an endpoint gains room, changes its state, or
 * has rested as long as it asked to.
 */
import type { Random } from '../core/random.ts';
import { type EndpointSnapshot, pickEndpoint } from '../policy/routing/pick-endpoint.ts';
import { FairQueue, type QueueItem } from '../policy/scheduling/fair-queue.ts';
import { createWaitPredictor } from '../policy/scheduling/wait-predictor.ts';
import type { Clock } from '../protocol/ports.ts';
import type { Endpoint } from './endpoint.ts';
import { PoolTicket, type Ticket, type TicketOptions, type TicketPool } from './pool-ticket.ts';

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

class Pool implements ModelPool, TicketPool {
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
    const now = this.options.clock.now();
    const ready = this.#candidates(now).filter((candidate) => candidate.ready);
    const concurrencyMax = ready.reduce((sum, { concurrencyMax }) => sum + concurrencyMax, 0);
    if (concurrencyMax === 0) return this.#restMs(now);
    const ahead = this.queue.aheadOf(item as PoolTicket, now);
    return this.predictor.predictWaitMs({ ahead, concurrencyMax }, now);
  }

  /**
   * Until the first of those that are up has rested. Where one starts it may be there sooner: what
   * that takes is not known, and the deadline bounds it.
   */
  #restMs(now: number): number {
    const up = this.endpoints().filter(({ upstream }) => upstream.status().state !== 'down');
    const allReady = up.every(({ upstream }) => upstream.status().state === 'ready');
    if (up.length === 0 || !allReady) return 0;
    return Math.max(0, Math.min(...up.map(({ restUntilMs }) => restUntilMs - now)));
  }

  open(options: TicketOptions): Ticket {
    return new PoolTicket(this, options);
  }

  silent(): readonly WaitingTicket[] {
    return this.judged(() => this.#silent()) ?? [];
  }

  #silent(): readonly WaitingTicket[] {
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
      { model: this.model, mayLeave: dataMayLeave, session, tried: ticket.tried },
      { random: this.options.random },
    );
    return decision.kind === 'picked' ? decision.endpoint : undefined;
  }
}
