/**
 * Sets of Unicode code points as sorted, disjoint, inclusive ranges: what a grammar's character
 * classes and a pattern's brackets are made of. Surrogates are never members, because UTF-8 text
 * has none.
 */

export type CodePointSet = readonly CodePointRange[];
export type CodePointRange = readonly [from: number, to: number];

const lastCodePoint = 0x10ffff;
/** Halves of UTF-16 pairs, which are no characters. */
export const surrogates: CodePointSet = [[0xd800, 0xdfff]];

/** Every code point that text can hold. */
export const anyCodePoint: CodePointSet = [
  [0, 0xd7ff],
  [0xe000, lastCodePoint],
];

/** The code points of a string. */
export function codePointsOf(text: string): CodePointSet {
  const points = Array.from(text, (character) => character.codePointAt(0) ?? 0);
  return union(points.map((point): CodePointRange => [point, point]));
}

/** A set from ranges in any order, overlapping or not. */
export function union(...parts: readonly (readonly CodePointRange[])[]): CodePointSet {
  const sorted = parts.flat().sort(([a], [b]) => a - b);
  const merged: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

/** What is in `set` and not in `removed`. */
export function minus(set: CodePointSet, removed: CodePointSet): CodePointSet {
  const left: CodePointRange[] = [];
  for (const [from, to] of set) {
    let start = from;
    for (const [cutFrom, cutTo] of removed) {
      if (cutTo < start || cutFrom > to) continue;
      if (cutFrom > start) left.push([start, cutFrom - 1]);
      start = cutTo + 1;
    }
    if (start <= to) left.push([start, to]);
  }
  return left;
}

/** What is in both sets of characters. */
export function intersect(a: CodePointSet, b: CodePointSet): CodePointSet {
  return minus(a, minus(anyCodePoint, b));
}

/** Everything but `set`. */
export function complement(set: CodePointSet): CodePointSet {
  return minus(anyCodePoint, set);
}

/** Whether `point` is in `set`. */
export function contains(set: CodePointSet, point: number): boolean {
  return set.some(([from, to]) => point >= from && point <= to);
}
