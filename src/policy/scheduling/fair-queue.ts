/**
 * The queue: who is served next when an engine has room.
 *
 * Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996) on two levels. Classes share 8 : 4 : 1
 * (`request-class.ts`), tenants inside a class by their weights, both measured in tokens; whoever
 * has nothing waiting leaves its share to the others. A request is charged its estimate when it is
 * served and the difference when the truth is known (`charge`), so that wrong estimates do not buy
 * a larger share. Inside one tenant and class the earlier deadline goes first, then the earlier
 * arrival.
 *
 * Ageing: a class that has waited `ageMs` without being served moves its next request up one class,
 * once per `ageMs`. So nobody starves, and shares stay true while every class is being served.
 *
 * One queue serves one pool of endpoints: requests that cannot use the same room belong in another
 * queue, or a tenant's blocked request would hold up its others. Pure; the owner holds the items'
 * callers and timers.
 */
import { assert } from '../../core/errors.ts';
import type { QueueItem } from './flow.ts';
import { type ClassLane, createFlow, createLane, type Entry, type Flow } from './flow.ts';
import { Heap } from './heap.ts';
import { type Ahead, aheadOf, serviceOrder } from './queue-order.ts';
import { classWeights, type RequestClass, requestClasses } from './request-class.ts';

export type { Ahead, QueueItem };

export interface FairQueueOptions {
  /** Requests that may wait. */
  readonly maxDepth: number;
  /** A class unserved for this long moves a request up, ms. */
  readonly ageMs: number;
}

export type EnqueueResult = { readonly kind: 'queued' } | { readonly kind: 'full' };

/** The part of an item that says whose account is charged. */
export type Account = Pick<QueueItem, 'tenant' | 'requestClass' | 'weight'>;

/** A picture of the queue for people and tests. */
export interface FairQueueSnapshot {
  readonly size: number;
  readonly virtualTime: number;
  readonly classes: readonly {
    readonly requestClass: RequestClass;
    readonly tag: number;
    readonly virtualTime: number;
    readonly waiting: number;
    readonly costTokens: number;
    readonly flows: readonly {
      readonly tenant: string;
      readonly weight: number;
      readonly tag: number;
      readonly waiting: number;
    }[];
  }[];
  /** Ids in the order of service. */
  readonly order: readonly string[];
}

/**
 * The last 1/32 of the depth takes only tenants that hold less than 1/32 of it, so that one tenant's
 * flood does not shut the door for everybody else.
 */
const reserveDivisor = 32;
/** Idle flows are swept once there are this many more flows than requests. */
const idleFlowsMax = 256;

export class FairQueue<T extends QueueItem> {
  readonly #options: FairQueueOptions;
  readonly #lanes: readonly ClassLane<T>[];
  readonly #byId = new Map<string, Entry<T>>();
  readonly #byDeadline = new Heap<Entry<T>>(deadlineBefore);
  readonly #depthByTenant = new Map<string, number>();
  /** Entries of served items, for `putBack` and `charge`, until they are settled. */
  readonly #served = new Map<T, Entry<T>>();
  #virtualTime = 0;
  #sequence = 0;
  #positions: ReadonlyMap<string, number> | undefined;

  /** Throws where an option is out of range. */
  constructor(options: FairQueueOptions) {
    assert(options.maxDepth >= 1, `maxDepth must be at least 1, found ${options.maxDepth}`);
    assert(options.ageMs > 0, `ageMs must be positive, found ${options.ageMs}`);
    this.#options = options;
    this.#lanes = requestClasses.map((name) => createLane<T>(name, classWeights[name]));
  }

  /** Requests waiting. */
  get size(): number {
    return this.#byId.size;
  }

  /** Requests waiting in each class, promotions counted where they wait now. */
  depths(): Readonly<Record<RequestClass, number>> {
    const depths = { interactive: 0, standard: 0, batch: 0 };
    for (const lane of this.#lanes) depths[lane.requestClass] = lane.size;
    return depths;
  }

  /** Lets a request wait. Throws on an id that waits already or a cost or weight that is not > 0. */
  enqueue(item: T, now: number): EnqueueResult {
    assert(!this.#byId.has(item.id), `request ${item.id} is already waiting`);
    assert(item.costTokens > 0 && item.weight > 0, 'cost and weight must be positive');
    if (this.#isFull(item.tenant)) return { kind: 'full' };
    const { lane, flow } = this.#admit(item, now);
    this.#insert(this.#createEntry(item), lane, flow, now);
    return { kind: 'queued' };
  }

  /**
   * Takes the request whose turn it is and charges its tenant. Flows whose first request is not
   * eligible are passed over and keep their turn. O(log n) plus the flows passed over.
   */
  next(now: number, eligible: (item: T) => boolean = () => true): T | undefined {
    this.#age(now);
    const lanes = this.#lanes.filter((lane) => lane.size > 0).sort((a, b) => a.tag - b.tag);
    for (const lane of lanes) {
      const entry = firstEligible(lane, eligible);
      if (entry === undefined) continue;
      this.#serve(entry, now);
      return entry.item;
    }
    return undefined;
  }

  /**
   * Serves a request that comes while nobody waits: what `enqueue` and `next` would do, without the
   * queue. Most requests of a gateway with room to spare come like this.
   */
  pass(item: T, now: number): void {
    assert(this.size === 0, `${this.size} requests are waiting before ${item.id}`);
    assert(item.costTokens > 0 && item.weight > 0, 'cost and weight must be positive');
    const { lane, flow } = this.#admit(item, now);
    const entry = this.#createEntry(item);
    entry.place = { lane, flow };
    this.#charge(lane, flow, item, now);
    this.#served.set(item, entry);
  }

  /**
   * Returns a served request to the head of its flow, its charge undone: an endpoint had no room for
   * it after all. Always accepted, since its place had been granted.
   */
  putBack(item: T, now: number): void {
    assert(!this.#byId.has(item.id), `request ${item.id} is already waiting`);
    const known = this.#served.get(item);
    this.#served.delete(item);
    const lane = known?.place?.lane ?? this.#laneOf(item.requestClass);
    const entry = known ?? this.#createEntry(item);
    entry.returned = true;
    const flow = this.#flowOf(lane, item);
    flow.tag -= item.costTokens / flow.weight;
    lane.tag -= item.costTokens / lane.weight;
    this.#insert(entry, lane, flow, now);
  }

  /**
   * Corrects what a served request was charged: positive where it used more tokens than estimated,
   * negative where fewer. Pass the item itself where there is one: it may have been promoted.
   */
  charge(account: Account | T, deltaTokens: number): void {
    assert(Number.isFinite(deltaTokens), `deltaTokens must be finite, found ${deltaTokens}`);
    const lane = this.#served.get(account as T)?.place?.lane ?? this.#laneOf(account.requestClass);
    const flow = this.#flowOf(lane, account);
    flow.tag += deltaTokens / flow.weight;
    lane.tag += deltaTokens / lane.weight;
    lane.active.update(flow);
    this.#positions = undefined;
  }

  /** The end of a served request: corrects its charge for the last time and forgets it. */
  settle(item: T, deltaTokens: number): void {
    this.charge(item, deltaTokens);
    this.#served.delete(item);
  }

  /** Takes a request out whose caller has left. Undefined where it does not wait. */
  remove(id: string): T | undefined {
    const entry = this.#byId.get(id);
    if (entry === undefined) return undefined;
    this.#detach(entry);
    return entry.item;
  }

  /** Takes out everything whose deadline has come, earliest first. */
  expire(now: number): T[] {
    const expired: T[] = [];
    for (;;) {
      const entry = this.#byDeadline.peek();
      if (entry === undefined || entry.item.deadlineAtMs > now) return expired;
      this.#detach(entry);
      expired.push(entry.item);
    }
  }

  /** 1-based place of every waiting request in the order of service; one sort, kept until a change. */
  positions(now: number): ReadonlyMap<string, number> {
    this.#age(now);
    this.#positions ??= new Map(
      serviceOrder(this.#lanes).map((entry, index) => [entry.item.id, index + 1]),
    );
    return this.#positions;
  }

  /** 1-based; undefined where it does not wait. */
  position(id: string, now: number): number | undefined {
    return this.positions(now).get(id);
  }

  /** What would be served before this request if it joined now; for predicting its wait. */
  aheadOf(newcomer: T, now: number): Ahead {
    this.#age(now);
    return aheadOf(this.#createEntry(newcomer), this.#lanes, {
      virtualTime: this.#virtualTime,
      now,
    });
  }

  toJSON(): FairQueueSnapshot {
    return {
      size: this.size,
      virtualTime: this.#virtualTime,
      classes: this.#lanes.map((lane) => ({
        requestClass: lane.requestClass,
        tag: lane.tag,
        virtualTime: lane.virtualTime,
        waiting: lane.size,
        costTokens: lane.costTokens,
        flows: [...lane.flows.values()].map((flow) => ({
          tenant: flow.tenant,
          weight: flow.weight,
          tag: flow.tag,
          waiting: flow.waiting.size,
        })),
      })),
      order: serviceOrder(this.#lanes).map((entry) => entry.item.id),
    };
  }

  #isFull(tenant: string): boolean {
    const { maxDepth } = this.#options;
    const reserve = Math.floor(maxDepth / reserveDivisor);
    if (this.size >= maxDepth) return true;
    return this.size >= maxDepth - reserve && (this.#depthByTenant.get(tenant) ?? 0) >= reserve;
  }

  #createEntry(item: T): Entry<T> {
    this.#sequence += 1;
    return {
      item,
      sequence: this.#sequence,
      returned: false,
      orderAtMs: item.orderAtMs ?? item.deadlineAtMs,
      place: undefined,
    };
  }

  #laneOf(requestClass: RequestClass): ClassLane<T> {
    return this.#lanes[requestClasses.indexOf(requestClass)] as ClassLane<T>;
  }

  #flowOf(lane: ClassLane<T>, account: Account): Flow<T> {
    const known = lane.flows.get(account.tenant);
    if (known !== undefined) return known;
    if (lane.flows.size > lane.active.size + idleFlowsMax) sweepIdle(lane);
    const flow = createFlow<T>(account, lane.virtualTime);
    lane.flows.set(account.tenant, flow);
    return flow;
  }

  #insert(entry: Entry<T>, lane: ClassLane<T>, flow: Flow<T>, now: number): void {
    const { item } = entry;
    if (lane.size === 0) lane.stalledSinceMs = now;
    entry.place = { lane, flow };
    flow.waiting.push(entry);
    flow.costTokens += item.costTokens;
    lane.size += 1;
    lane.costTokens += item.costTokens;
    if (lane.active.has(flow)) lane.active.update(flow);
    else lane.active.push(flow);
    this.#byId.set(item.id, entry);
    this.#byDeadline.push(entry);
    this.#depthByTenant.set(item.tenant, (this.#depthByTenant.get(item.tenant) ?? 0) + 1);
    this.#positions = undefined;
  }

  #detach(entry: Entry<T>): void {
    const { item, place } = entry;
    assert(place !== undefined, `request ${item.id} waits nowhere`);
    const { lane, flow } = place;
    flow.waiting.remove(entry);
    flow.costTokens -= item.costTokens;
    lane.size -= 1;
    lane.costTokens -= item.costTokens;
    if (flow.waiting.size > 0) lane.active.update(flow);
    else lane.active.remove(flow);
    this.#byId.delete(item.id);
    this.#byDeadline.remove(entry);
    const depth = (this.#depthByTenant.get(item.tenant) ?? 0) - 1;
    if (depth > 0) this.#depthByTenant.set(item.tenant, depth);
    else this.#depthByTenant.delete(item.tenant);
    this.#positions = undefined;
  }

  #serve(entry: Entry<T>, now: number): void {
    const { item, place } = entry;
    assert(place !== undefined, `request ${item.id} waits nowhere`);
    const { lane, flow } = place;
    this.#charge(lane, flow, item, now);
    this.#detach(entry);
    this.#served.set(item, entry);
  }

  /** A newcomer's place: idling has earned its flow and class nothing. */
  #admit(item: T, now: number): { readonly lane: ClassLane<T>; readonly flow: Flow<T> } {
    const lane = this.#laneOf(item.requestClass);
    const flow = this.#flowOf(lane, item);
    if (flow.waiting.size === 0) flow.tag = Math.max(flow.tag, lane.virtualTime);
    if (lane.size === 0) lane.tag = Math.max(lane.tag, this.#virtualTime);
    flow.weight = item.weight;
    lane.arrivals.add(item.costTokens, now);
    return { lane, flow };
  }

  /** Moves virtual time on to this request and charges it. */
  #charge(lane: ClassLane<T>, flow: Flow<T>, item: T, now: number): void {
    lane.virtualTime = Math.max(lane.virtualTime, flow.tag);
    this.#virtualTime = Math.max(this.#virtualTime, lane.tag);
    flow.tag += item.costTokens / flow.weight;
    lane.tag += item.costTokens / lane.weight;
    lane.stalledSinceMs = now;
  }

  #age(now: number): void {
    for (let index = this.#lanes.length - 1; index > 0; index -= 1) {
      const lane = this.#lanes[index] as ClassLane<T>;
      if (lane.size === 0 || now - lane.stalledSinceMs < this.#options.ageMs) continue;
      const entry = lane.active.peek()?.waiting.peek();
      assert(entry !== undefined, 'a class with waiting requests has a first one');
      this.#promote(entry, this.#lanes[index - 1] as ClassLane<T>, now);
      lane.stalledSinceMs = now;
    }
  }

  /** Moves a request up. Its new order is that of a deadline which is now. */
  #promote(entry: Entry<T>, lane: ClassLane<T>, now: number): void {
    this.#detach(entry);
    entry.orderAtMs = Math.min(entry.orderAtMs, now);
    const flow = this.#flowOf(lane, entry.item);
    if (flow.waiting.size === 0) flow.tag = Math.max(flow.tag, lane.virtualTime);
    if (lane.size === 0) lane.tag = Math.max(lane.tag, this.#virtualTime);
    this.#insert(entry, lane, flow, now);
  }
}

function deadlineBefore<T extends QueueItem>(a: Entry<T>, b: Entry<T>): boolean {
  const { deadlineAtMs } = a.item;
  if (deadlineAtMs !== b.item.deadlineAtMs) return deadlineAtMs < b.item.deadlineAtMs;
  return a.sequence < b.sequence;
}

function firstEligible<T extends QueueItem>(
  lane: ClassLane<T>,
  eligible: (item: T) => boolean,
): Entry<T> | undefined {
  const passedOver: Flow<T>[] = [];
  let found: Entry<T> | undefined;
  while (found === undefined) {
    const flow = lane.active.peek();
    if (flow === undefined) break;
    const head = flow.waiting.peek();
    assert(head !== undefined, 'an active flow has a first request');
    if (eligible(head.item)) {
      found = head;
    } else {
      lane.active.remove(flow);
      passedOver.push(flow);
    }
  }
  for (const flow of passedOver) lane.active.push(flow);
  return found;
}

/** Forgets idle flows: those that would start at the class's virtual time anyway, then the oldest. */
function sweepIdle<T extends QueueItem>(lane: ClassLane<T>): void {
  for (const [tenant, flow] of lane.flows) {
    if (flow.waiting.size === 0 && flow.tag <= lane.virtualTime) lane.flows.delete(tenant);
  }
  for (const [tenant, flow] of lane.flows) {
    if (lane.flows.size <= lane.active.size + idleFlowsMax / 2) return;
    if (flow.waiting.size === 0) lane.flows.delete(tenant);
  }
}
