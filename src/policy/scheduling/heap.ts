/**
 * Binary heap that knows where each of its items lies, so that any of them can leave or move in
 * O(log n). The queue keeps the same requests in several orders at once and needs that.
 *
 * `before(a, b)` must be a strict total order over the items held; whoever changes what it reads
 * calls `update` at once.
 */
import { assert } from '../../core/errors.ts';

export class Heap<T> {
  readonly #before: (a: T, b: T) => boolean;
  readonly #items: T[] = [];
  readonly #indexOf = new Map<T, number>();

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The first item, left where it is. */
  peek(): T | undefined {
    return this.#items[0];
  }

  has(item: T): boolean {
    return this.#indexOf.has(item);
  }

  /** Items in no particular order. */
  values(): readonly T[] {
    return this.#items;
  }

  push(item: T): void {
    assert(!this.#indexOf.has(item), 'item is already in the heap');
    this.#items.push(item);
    this.#up(item, this.#items.length - 1);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Whether it was there. */
  remove(item: T): boolean {
    const index = this.#indexOf.get(item);
    if (index === undefined) return false;
    this.#indexOf.delete(item);
    const last = this.#items.pop() as T;
    if (last !== item) this.#settle(last, index);
    return true;
  }

  /** Puts an item back in order after what `before` reads of it has changed. */
  update(item: T): void {
    const index = this.#indexOf.get(item);
    if (index !== undefined) this.#settle(item, index);
  }

  #settle(item: T, index: number): void {
    this.#down(item, this.#up(item, index));
  }

  #up(item: T, from: number): number {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#items[parentIndex] as T;
      if (!this.#before(item, parent)) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(item, index);
    return index;
  }

  #down(item: T, from: number): void {
    let index = from;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= this.#items.length) break;
      let child = this.#items[childIndex] as T;
      const right = this.#items[childIndex + 1];
      if (right !== undefined && this.#before(right, child)) {
        childIndex += 1;
        child = right;
      }
      if (!this.#before(child, item)) break;
      this.#place(child, index);
      index = childIndex;
    }
    this.#place(item, index);
  }

  #place(item: T, index: number): void {
    this.#items[index] = item;
    this.#indexOf.set(item, index);
  }
}
