/**
 * The two levels of the fair queue: three classes, and in each one flow per tenant that waits.
 *
 * Both levels count virtual time: tokens served ÷ weight. A *tag* is the virtual time at which the
 * next request of a flow (or class) starts; the smallest tag is served next. A flow that was idle
 * starts at the virtual time of its class, so that idling earns nothing. State only; the rules are in
 * `fair-queue.ts`, the predictions in `queue-order.ts`.
 */
import { type ArrivalRate, createArrivalRate } from './arrival-rate.ts';
import { Heap } from './heap.ts';
import type { RequestClass } from './request-class.ts';

export interface QueueItem {
  /** Unique among the waiting. */
  readonly id: string;
  readonly tenant: string;
  /** The tenant's weight, > 0. */
  readonly weight: number;
  readonly requestClass: RequestClass;
  /** Estimated tokens, prompt and completion; > 0. */
  readonly costTokens: number;
  readonly arrivedAtMs: number;
  /** First token wanted by then. */
  readonly deadlineAtMs: number;
  /** Counts in place of the deadline in the order of its flow: a caller who came back keeps its place. */
  readonly orderAtMs?: number | undefined;
}

export interface Entry<T extends QueueItem> {
  readonly item: T;
  /** Order of arrival: breaks every tie, so that runs repeat. */
  readonly sequence: number;
  /** Back from an endpoint that had no room: goes before what is new in its flow. */
  returned: boolean;
  /** The deadline or what counts in its place, or when it was promoted if that is earlier. */
  orderAtMs: number;
  /** Where it waits, or from where it was served last. Promotion changes it. */
  place: { readonly lane: ClassLane<T>; readonly flow: Flow<T> } | undefined;
}

export interface Flow<T extends QueueItem> {
  readonly tenant: string;
  weight: number;
  tag: number;
  costTokens: number;
  readonly waiting: Heap<Entry<T>>;
}

export interface ClassLane<T extends QueueItem> {
  readonly requestClass: RequestClass;
  readonly weight: number;
  tag: number;
  /** Greatest tag that any of its flows was served at. */
  virtualTime: number;
  size: number;
  costTokens: number;
  /** Tokens of work that arrive. */
  readonly arrivals: ArrivalRate;
  /** Since when it has waited in vain: last served, or empty before. */
  stalledSinceMs: number;
  /** Flows that wait, and idle ones whose tag is ahead of the class. */
  readonly flows: Map<string, Flow<T>>;
  readonly active: Heap<Flow<T>>;
}

export function createLane<T extends QueueItem>(
  requestClass: RequestClass,
  weight: number,
): ClassLane<T> {
  return {
    requestClass,
    weight,
    tag: 0,
    virtualTime: 0,
    size: 0,
    costTokens: 0,
    arrivals: createArrivalRate(),
    stalledSinceMs: 0,
    flows: new Map(),
    active: new Heap(flowBefore),
  };
}

export function createFlow<T extends QueueItem>(
  account: Pick<QueueItem, 'tenant' | 'weight'>,
  tag: number,
): Flow<T> {
  return {
    tenant: account.tenant,
    weight: account.weight,
    tag,
    costTokens: 0,
    waiting: new Heap(entryBefore),
  };
}

/** Order inside a flow: what came back, then by deadline, then by arrival. */
export function entryBefore<T extends QueueItem>(a: Entry<T>, b: Entry<T>): boolean {
  if (a.returned !== b.returned) return a.returned;
  if (a.orderAtMs !== b.orderAtMs) return a.orderAtMs < b.orderAtMs;
  return a.sequence < b.sequence;
}

function flowBefore<T extends QueueItem>(a: Flow<T>, b: Flow<T>): boolean {
  if (a.tag !== b.tag) return a.tag < b.tag;
  return headSequence(a) < headSequence(b);
}

function headSequence<T extends QueueItem>(flow: Flow<T>): number {
  return flow.waiting.peek()?.sequence ?? Number.POSITIVE_INFINITY;
}
