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

export interface TimerWheelOptions {
  readonly startMs: number;
  readonly tickMs: number;
}

export interface WheelTimer {
  /** Safe to call twice and after the timer has fired. */
  cancel(): void;
}

/** A timer in its slot's ring, or the slot itself: the ring's fixed point. */
interface Link<T> {
  previous: Link<T>;
  next: Link<T>;
  level: number;
  dueTick: number;
  item: T | undefined;
}

export class TimerWheel<T> {
  readonly #startMs: number;
  readonly #tickMs: number;
  readonly #slots = Array.from({ length: levels * slotCount }, () => createLink<T>(0, undefined));
  /** Timers at each level. */
  readonly #sizes = new Array<number>(levels).fill(0);
  #size = 0;
  /** The tick being fired or last fired. */
  #current = 0;

  constructor(options: TimerWheelOptions) {
    this.#startMs = options.startMs;
    this.#tickMs = options.tickMs;
  }

  /** Timers set and neither fired nor cancelled. */
  get size(): number {
    return this.#size;
  }

  /**
   * Sets a timer; it fires at the first tick at or after now + delayMs, at least one tick on. Throws
   * on a delay that is not finite or too long to hold (over a year at a tick of 10 ms).
   */
  schedule(item: T, delayMs: number, nowMs: number): WheelTimer {
    const ticks = delayMs / this.#tickMs;
    assert(delayMs >= 0 && ticks < ticksMax, `timer delay out of range: ${delayMs}`);
    if (this.#size === 0) this.#current = Math.max(this.#current, this.#tickOf(nowMs));
    const dueTick = Math.ceil((nowMs + delayMs - this.#startMs) / this.#tickMs);
    const link = createLink(Math.max(this.#current + 1, dueTick), item);
    this.#place(link);
    this.#size += 1;
    return {
      cancel: () => {
        if (link.item === undefined) return;
        link.item = undefined;
        this.#take(link);
        this.#size -= 1;
      },
    };
  }

  /** Fires everything due by `nowMs`, in order of due tick. Time that goes back is ignored. */
  advance(nowMs: number, fire: (item: T, dueMs: number) => void): void {
    const target = this.#tickOf(nowMs);
    // What is left of the current tick when a callback threw.
    this.#fireSlot(fire);
    while (this.#current < target && this.#size > 0) {
      this.#current = Math.min(this.#nextTick(), target);
      this.#moveDown();
      this.#fireSlot(fire);
    }
    this.#current = Math.max(this.#current, target);
  }

  #tickOf(ms: number): number {
    return Math.floor((ms - this.#startMs) / this.#tickMs);
  }

  #slotAt(level: number, tick: number): Link<T> {
    const index = Math.floor(tick / slotCount ** level) % slotCount;
    return this.#slots[level * slotCount + index] as Link<T>;
  }

  #place(link: Link<T>): void {
    let level = 0;
    while (level < levels - 1 && !sameBlock(link.dueTick, this.#current, level + 1)) level += 1;
    link.level = level;
    this.#sizes[level] = (this.#sizes[level] as number) + 1;
    append(this.#slotAt(level, link.dueTick), link);
  }

  #take(link: Link<T>): void {
    this.#sizes[link.level] = (this.#sizes[link.level] as number) - 1;
    unlink(link);
  }

  /** Brings the timers of the blocks that begin at the current tick to where they belong now. */
  #moveDown(): void {
    for (let level = levels - 1; level > 0; level -= 1) {
      if (this.#current % slotCount ** level !== 0) continue;
      const slot = this.#slotAt(level, this.#current);
      while (slot.next !== slot) {
        const link = slot.next;
        this.#take(link);
        this.#place(link);
      }
    }
  }

  /** The next tick at which anything can happen: empty levels are stepped over whole. */
  #nextTick(): number {
    let level = 0;
    while (level < levels - 1 && this.#sizes[level] === 0) level += 1;
    const block = slotCount ** level;
    return (Math.floor(this.#current / block) + 1) * block;
  }

  #fireSlot(fire: (item: T, dueMs: number) => void): void {
    const slot = this.#slotAt(0, this.#current);
    while (slot.next !== slot && slot.next.dueTick === this.#current) {
      const link = slot.next;
      this.#take(link);
      this.#size -= 1;
      const item = link.item as T;
      link.item = undefined;
      fire(item, this.#startMs + this.#current * this.#tickMs);
    }
  }
}

function sameBlock(a: number, b: number, level: number): boolean {
  return Math.floor(a / slotCount ** level) === Math.floor(b / slotCount ** level);
}

/** In no ring but its own. */
function createLink<T>(dueTick: number, item: T | undefined): Link<T> {
  const link = { level: 0, dueTick, item } as Link<T>;
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
