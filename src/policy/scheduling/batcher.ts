/**
 * Triton's dynamic batcher: when a batch goes out (C1, C2).
 *
 * Waiting requests are looked at in order of priority, then of arrival. A batch goes out
 *   - at once when it reaches a preferred size (the largest reached, unless the oldest is overdue),
 *     or when it can grow no further: the next request would exceed every preferred size or the
 *     maximum;
 *   - in any size once its oldest request has waited `maxQueueDelayMs`, by a timer that needs no new
 *     arrival. With a delay of 0 whatever is there goes out at once.
 * The owner polls when an instance is free and not before; while all are busy requests may wait
 * longer than the delay. The rules follow `DynamicBatchScheduler::GetDynamicBatch` and `PolicyQueue`
 * of triton-inference-server/core and its docs/user_guide/batcher.md. Serves embeddings, Triton
 * upstreams and the simulator; the embedded engine batches continuously.
 */
import { assert } from '../../core/errors.ts';

export interface BatcherOptions {
  readonly maxBatchSize: number;
  /** Sizes to send at once. Empty: the maximum only, as Triton fills it in. */
  readonly preferredBatchSizes: readonly number[];
  /** How long a request may wait for company, ms. */
  readonly maxQueueDelayMs: number;
  /** Levels 1 … n, 1 first. 0: priorities are ignored. */
  readonly priorityLevels?: number;
  /** Level of requests that name none; needed with levels. */
  readonly defaultPriorityLevel?: number;
  readonly defaultQueuePolicy?: QueuePolicy;
  /** By level, in place of the default. */
  readonly priorityQueuePolicy?: Readonly<Record<number, QueuePolicy>>;
}

export interface QueuePolicy {
  /** Requests that may wait at this level; 0: any number. */
  readonly maxQueueSize: number;
  /** How long a request may wait before `timeoutAction`, ms; 0: for ever. */
  readonly defaultTimeoutMs: number;
  /** Requests may shorten their own time-out; they can never lengthen it. */
  readonly allowTimeoutOverride: boolean;
  /** `delay`: behind everything at its level that is not late. */
  readonly timeoutAction: 'reject' | 'delay';
}

export interface BatchItem {
  /** Rows that it adds to a batch, ≥ 1. */
  readonly batchSize: number;
  /** 0 or absent: the default level. */
  readonly priority?: number | undefined;
  readonly timeoutMs?: number | undefined;
}

export type BatcherAdd =
  | { readonly kind: 'queued' }
  | { readonly kind: 'refused'; readonly why: 'queue_full' | 'too_large' | 'unknown_priority' };

export interface BatcherPoll<T> {
  /** To be run now, in this order; absent: wait. */
  readonly batch?: readonly T[] | undefined;
  /** Timed out under `reject`. */
  readonly rejected: readonly T[];
  /** When to poll again without a new arrival; absent: only after one. */
  readonly wakeAtMs?: number | undefined;
}

export interface Batcher<T extends BatchItem> {
  add(item: T, now: number): BatcherAdd;
  /** Takes out the batch that is due. Poll again at once after a batch, if an instance is free. */
  poll(now: number): BatcherPoll<T>;
  readonly size: number;
}

interface Waiting<T> {
  readonly item: T;
  readonly enqueuedAtMs: number;
  /** Infinity: none. */
  readonly timeoutAtMs: number;
}

interface Level<T> {
  readonly policy: QueuePolicy;
  waiting: Waiting<T>[];
  /** Late ones under `delay`. */
  delayed: Waiting<T>[];
}

const openPolicy: QueuePolicy = {
  maxQueueSize: 0,
  defaultTimeoutMs: 0,
  allowTimeoutOverride: false,
  timeoutAction: 'reject',
};

/** Throws where an option is out of range. */
export function createBatcher<T extends BatchItem>(options: BatcherOptions): Batcher<T> {
  const { maxBatchSize, maxQueueDelayMs } = options;
  const preferred =
    options.preferredBatchSizes.length > 0 ? options.preferredBatchSizes : [maxBatchSize];
  assert(
    preferred.every((size) => size >= 1 && size <= maxBatchSize),
    `preferred sizes must be from 1 to ${maxBatchSize}, found ${preferred.join(', ')}`,
  );
  const rules = { maxBatchSize, maxQueueDelayMs, preferred: new Set(preferred) };
  const levels = createLevels<T>(options);
  const defaultLevel = options.defaultPriorityLevel ?? 1;

  return {
    add(item, now) {
      if (item.batchSize > maxBatchSize) return { kind: 'refused', why: 'too_large' };
      const priority = levels.length === 1 ? 1 : item.priority || defaultLevel;
      const level = levels[priority - 1];
      if (level === undefined) return { kind: 'refused', why: 'unknown_priority' };
      const { policy } = level;
      const depth = level.waiting.length + level.delayed.length;
      if (policy.maxQueueSize > 0 && depth >= policy.maxQueueSize) {
        return { kind: 'refused', why: 'queue_full' };
      }
      level.waiting.push({ item, enqueuedAtMs: now, timeoutAtMs: now + timeoutOf(item, policy) });
      return { kind: 'queued' };
    },
    poll(now) {
      const rejected = levels.flatMap((level) => applyTimeouts(level, now));
      const inOrder = levels.flatMap((level) => [...level.waiting, ...level.delayed]);
      const decision = formBatch(inOrder, rules, now);
      if (decision.kind === 'wait') {
        return { rejected, wakeAtMs: decision.untilMs };
      }
      const batch = inOrder.slice(0, decision.count);
      takeOut(levels, new Set(batch));
      return { batch: batch.map((one) => one.item), rejected };
    },
    get size() {
      return levels.reduce((sum, one) => sum + one.waiting.length + one.delayed.length, 0);
    },
  };
}

interface BatchRules {
  readonly maxBatchSize: number;
  readonly maxQueueDelayMs: number;
  readonly preferred: ReadonlySet<number>;
}

type BatchDecision =
  | { readonly kind: 'send'; readonly count: number }
  | { readonly kind: 'wait'; readonly untilMs: number | undefined };

function formBatch(
  inOrder: readonly Waiting<BatchItem>[],
  rules: BatchRules,
  now: number,
): BatchDecision {
  if (inOrder.length === 0) return { kind: 'wait', untilMs: undefined };
  const largestPreferred = Math.max(...rules.preferred);
  let size = 0;
  let count = 0;
  let preferredCount = 0;
  let canGrow = true;
  for (const { item } of inOrder) {
    if (count > 0) {
      // Beyond every preferred size: what is there so far is as good as it gets.
      if (size + item.batchSize > largestPreferred && preferredCount === 0) preferredCount = count;
      if (size + item.batchSize > rules.maxBatchSize) {
        canGrow = false;
        break;
      }
    }
    size += item.batchSize;
    count += 1;
    if (rules.preferred.has(size)) preferredCount = count;
  }
  const pending = inOrder.slice(0, count);
  const oldestMs = Math.min(...pending.map((one) => one.enqueuedAtMs));
  const dueMs = oldestMs + rules.maxQueueDelayMs;
  const overdue = rules.maxQueueDelayMs > 0 && now >= dueMs;
  if (preferredCount > 0 && !overdue) return { kind: 'send', count: preferredCount };
  if (!canGrow || size >= largestPreferred || overdue || rules.maxQueueDelayMs === 0) {
    return { kind: 'send', count };
  }
  const timeoutsMs = inOrder.map((one) => one.timeoutAtMs).filter((atMs) => atMs > now);
  return { kind: 'wait', untilMs: Math.min(dueMs, ...timeoutsMs) };
}

function createLevels<T>(options: BatcherOptions): Level<T>[] {
  const count = Math.max(1, options.priorityLevels ?? 0);
  return Array.from({ length: count }, (_, index) => ({
    policy: options.priorityQueuePolicy?.[index + 1] ?? options.defaultQueuePolicy ?? openPolicy,
    waiting: [],
    delayed: [],
  }));
}

function timeoutOf(item: BatchItem, policy: QueuePolicy): number {
  const byPolicy = policy.defaultTimeoutMs > 0 ? policy.defaultTimeoutMs : Number.POSITIVE_INFINITY;
  const own = item.timeoutMs ?? 0;
  return policy.allowTimeoutOverride && own > 0 && own < policy.defaultTimeoutMs ? own : byPolicy;
}

/** Moves the late ones of a level where its policy wants them; returns the rejected. */
function applyTimeouts<T>(level: Level<T>, now: number): T[] {
  const late = level.waiting.filter((one) => one.timeoutAtMs < now);
  if (late.length === 0) return [];
  level.waiting = level.waiting.filter((one) => one.timeoutAtMs >= now);
  if (level.policy.timeoutAction === 'reject') return late.map((one) => one.item);
  // In the delayed part nothing times out any more.
  level.delayed.push(...late.map((one) => ({ ...one, timeoutAtMs: Number.POSITIVE_INFINITY })));
  return [];
}

function takeOut<T>(levels: readonly Level<T>[], taken: ReadonlySet<Waiting<T>>): void {
  for (const level of levels) {
    level.waiting = level.waiting.filter((one) => !taken.has(one));
    level.delayed = level.delayed.filter((one) => !taken.has(one));
  }
}
