/**
 * What the fair queue will do, read from its state without changing it: the place of everyone who
 * waits, and how much would be served before a newcomer. Places say how things stand: later
 * arrivals, ageing and corrections of cost move them. For a newcomer's wait the later arrivals of
 * other classes are told as rates, since a lower class is overtaken all the time.
 */
import { type ClassLane, type Entry, entryBefore, type Flow, type QueueItem } from './flow.ts';

/**
 * Everyone who waits, in the order of service. The start tags of all requests are known in advance,
 * since each is its predecessor's plus cost ÷ weight, so one sort replaces the simulation:
 * O(n log n).
 */
export function serviceOrder<T extends QueueItem>(lanes: readonly ClassLane<T>[]): Entry<T>[] {
  const merged: { entry: Entry<T>; tag: number; lane: number }[] = [];
  lanes.forEach((lane, index) => {
    let tag = lane.tag;
    for (const entry of laneOrder(lane)) {
      merged.push({ entry, tag, lane: index });
      tag += entry.item.costTokens / lane.weight;
    }
  });
  merged.sort((a, b) => a.tag - b.tag || a.lane - b.lane);
  return merged.map((one) => one.entry);
}

function laneOrder<T extends QueueItem>(lane: ClassLane<T>): Entry<T>[] {
  const tagged: { entry: Entry<T>; tag: number }[] = [];
  for (const flow of lane.active.values()) {
    let tag = flow.tag;
    for (const entry of [...flow.waiting.values()].sort((a, b) => (entryBefore(a, b) ? -1 : 1))) {
      tagged.push({ entry, tag });
      tag += entry.item.costTokens / flow.weight;
    }
  }
  tagged.sort((a, b) => a.tag - b.tag || a.entry.sequence - b.entry.sequence);
  return tagged.map((one) => one.entry);
}

export interface Ahead {
  readonly requests: number;
  readonly costTokens: number;
  /** Classes whose later arrivals will be served before it as well. */
  readonly overtaking?: readonly Overtaking[] | undefined;
}

export interface Overtaking {
  /** Tokens of work that arrive per ms. */
  readonly tokensPerMs: number;
  /** What its share leaves it to serve before the newcomer, beyond what waits already. */
  readonly roomTokens: number;
}

/**
 * What would be served before `entry` if it were to join now. Counts flow by flow with the flow's
 * mean cost, which is exact where costs inside a flow are equal: O(flows + its own flow).
 */
export function aheadOf<T extends QueueItem>(
  entry: Entry<T>,
  lanes: readonly ClassLane<T>[],
  at: { readonly virtualTime: number; readonly now: number },
): Ahead {
  const own = lanes.find((lane) => lane.requestClass === entry.item.requestClass);
  if (own === undefined) return { requests: 0, costTokens: 0 };
  const tagOf = (lane: ClassLane<T>): number =>
    lane.size > 0 ? lane.tag : Math.max(lane.tag, at.virtualTime);
  const inClass = aheadInLane(entry, own);
  const startTag = tagOf(own) + inClass.costTokens / own.weight;
  let { requests, costTokens } = inClass;
  const overtaking: Overtaking[] = [];
  for (const lane of lanes) {
    if (lane === own) continue;
    const first = lanes.indexOf(lane) < lanes.indexOf(own);
    const some = startingBefore(lane, lane.size, startTag, first);
    requests += some.requests;
    costTokens += some.costTokens;
    const shareTokens = (startTag - tagOf(lane)) * lane.weight;
    overtaking.push({
      tokensPerMs: lane.arrivals.perMs(at.now),
      roomTokens: Math.max(0, shareTokens - some.costTokens),
    });
  }
  return { requests, costTokens, overtaking };
}

function aheadInLane<T extends QueueItem>(entry: Entry<T>, lane: ClassLane<T>): Ahead {
  const flow = lane.flows.get(entry.item.tenant);
  let requests = 0;
  let costTokens = 0;
  for (const other of flow?.waiting.values() ?? []) {
    if (!entryBefore(other, entry)) continue;
    requests += 1;
    costTokens += other.item.costTokens;
  }
  const waits = flow !== undefined && flow.waiting.size > 0;
  const tag = waits ? flow.tag : Math.max(flow?.tag ?? 0, lane.virtualTime);
  const startTag = tag + costTokens / entry.item.weight;
  for (const other of lane.active.values()) {
    if (other === flow) continue;
    const some = startingBefore(other, other.waiting.size, startTag, true);
    requests += some.requests;
    costTokens += some.costTokens;
  }
  return { requests, costTokens };
}

/** Of `size` requests of mean cost in line behind `queue.tag`, those that start before `startTag`. */
function startingBefore<T extends QueueItem>(
  queue: Pick<Flow<T>, 'tag' | 'weight' | 'costTokens'>,
  size: number,
  startTag: number,
  winsTies: boolean,
): Ahead {
  if (size === 0) return { requests: 0, costTokens: 0 };
  const mean = queue.costTokens / size;
  const lead = ((startTag - queue.tag) * queue.weight) / mean;
  const count = winsTies ? Math.floor(lead) + 1 : Math.ceil(lead);
  const requests = Math.min(size, Math.max(0, count));
  return { requests, costTokens: requests * mean };
}
