/**
 * Hierarchical timer wheel: many timers, most of which are cancelled, at O(1) each.
 *
 * Time is cut into ticks. Level 0 has one slot per tick for the next 256 ticks, level 1 one slot per
 * 256 ticks, and so on. A timer lies at the lowest level whose block holds both now and its due
 * tick; when time enters a block of a higher level, that slot's timers move down. Timers of one tick
 * fire in the order in which they were set. (Varghese & Lauck, "Hashed and Hierarchical Timing
 * Wheels", SOSP 1987, scheme 7.)
 *
 * Pure: `now` comes in, items come out through `fire`. The caller owns the wheel.
 */
import { assert } from './errors.ts';

const slotCount = 256;
const levels = 4;
/** 256⁴ ticks less one block: further away two turns of the top level could not be told apart. */
const ticksMax = slotCount ** levels - slotCount ** (levels - 1);

export interface TimerWheel<T> {
  /** Sets a timer; it fires at the first tick at or after now + delayMs, at least one tick on. */
  schedule(item: T, delayMs: number, nowMs: number): WheelTimer;
  /** Fires everything due by `nowMs`, in order of due tick. Time that goes back is ignored. */
  advance(nowMs: number, fire: (item: T, dueMs: number) => void): void;
  /** Timers set and neither fired nor cancelled. */
  readonly size: number;
}

export interface WheelTimer {
  /** Safe to call twice and after the timer has fired. */
  cancel(): void;
}

export interface TimerWheelOptions {
  readonly startMs: number;
  readonly tickMs: number;
}

interface Link<T> {
  previous: Link<T>;
  next: Link<T>;
  level: number;
  dueTick: number;
  item: T | undefined;
}

/** Builds an empty wheel. `schedule` throws on a delay that is not finite or too long to hold. */
export function createTimerWheel<T>(options: TimerWheelOptions): TimerWheel<T> {
  const { startMs, tickMs } = options;
  const slots = Array.from({ length: levels * slotCount }, () => createList<T>());
  const sizes = new Array<number>(levels).fill(0);
  let size = 0;
  /** The tick being fired or last fired. */
  let current = 0;

  function slotAt(level: number, tick: number): Link<T> {
    const index = Math.floor(tick / slotCount ** level) % slotCount;
    return slots[level * slotCount + index] as Link<T>;
  }

  function place(link: Link<T>): void {
    let level = 0;
    while (level < levels - 1 && !sameBlock(link.dueTick, current, level + 1)) level += 1;
    link.level = level;
    sizes[level] = (sizes[level] as number) + 1;
    append(slotAt(level, link.dueTick), link);
  }

  function take(link: Link<T>): void {
    sizes[link.level] = (sizes[link.level] as number) - 1;
    unlink(link);
  }

  function moveDown(): void {
    for (let level = levels - 1; level > 0; level -= 1) {
      if (current % slotCount ** level !== 0) continue;
      const slot = slotAt(level, current);
      while (slot.next !== slot) {
        const link = slot.next;
        take(link);
        place(link);
      }
    }
  }

  /** The next tick at which anything can happen: empty levels are stepped over whole. */
  function nextTick(): number {
    let level = 0;
    while (level < levels - 1 && sizes[level] === 0) level += 1;
    const block = slotCount ** level;
    return (Math.floor(current / block) + 1) * block;
  }

  function fireSlot(fire: (item: T, dueMs: number) => void): void {
    const slot = slotAt(0, current);
    while (slot.next !== slot && slot.next.dueTick === current) {
      const link = slot.next;
      take(link);
      size -= 1;
      const item = link.item as T;
      link.item = undefined;
      fire(item, startMs + current * tickMs);
    }
  }

  return {
    schedule(item, delayMs, nowMs) {
      assert(delayMs >= 0 && delayMs / tickMs < ticksMax, `timer delay out of range: ${delayMs}`);
      if (size === 0) current = Math.max(current, Math.floor((nowMs - startMs) / tickMs));
      const dueTick = Math.max(current + 1, Math.ceil((nowMs + delayMs - startMs) / tickMs));
      const link = createList<T>();
      link.dueTick = dueTick;
      link.item = item;
      place(link);
      size += 1;
      return {
        cancel() {
          if (link.item === undefined) return;
          link.item = undefined;
          take(link);
          size -= 1;
        },
      };
    },
    advance(nowMs, fire) {
      const target = Math.floor((nowMs - startMs) / tickMs);
      // What is left of the current tick when a callback threw.
      fireSlot(fire);
      while (current < target && size > 0) {
        current = Math.min(nextTick(), target);
        moveDown();
        fireSlot(fire);
      }
      current = Math.max(current, target);
    },
    get size() {
      return size;
    },
  };
}

function sameBlock(a: number, b: number, level: number): boolean {
  return Math.floor(a / slotCount ** level) === Math.floor(b / slotCount ** level);
}

/** A ring of one: both an empty list and a link that is in no list. */
function createList<T>(): Link<T> {
  const link = { level: 0, dueTick: 0, item: undefined } as unknown as Link<T>;
  link.previous = link;
  link.next = link;
  return link;
}

function append<T>(list: Link<T>, link: Link<T>): void {
  link.previous = list.previous;
  link.next = list;
  list.previous.next = link;
  list.previous = link;
}

function unlink<T>(link: Link<T>): void {
  link.previous.next = link.next;
  link.next.previous = link.previous;
  link.previous = link;
  link.next = link;
}
