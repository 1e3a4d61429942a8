/**
 * Numbers within bounds as grammar, built digit by digit.
 *
 * A bound cuts the decimal tree along one path: digits above the path are free from there on, the
 * digit on it leads to the next one. So the grammar of a range grows with the number of its digits,
 * not with its size. Bounds are decimal strings, because binary fractions do not say where 0.1 ends.
 */
import {
  character,
  choice,
  type Expression,
  type Grammar,
  nothing,
  sequence,
  text,
} from './gbnf.ts';
import { digit, maxDigits } from './json-text.ts';

/** One end of a range. */
export interface Bound {
  readonly negative: boolean;
  /** Digits before the point, without leading zeros (`0` for zero). */
  readonly whole: string;
  /** Digits after the point, without trailing zeros. */
  readonly fraction: string;
  readonly exclusive: boolean;
}

export interface Range {
  readonly min?: Bound | undefined;
  readonly max?: Bound | undefined;
}

/** Most digits after the point of a number with bounds: beyond them doubles round to the bound. */
export const maxFractionDigits = 10;

/** A JSON number as a bound; undefined where it has too many digits. */
export function boundOf(value: number, exclusive: boolean): Bound | undefined {
  const spelled = Number.isInteger(value) ? BigInt(value).toString() : String(value);
  const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(spelled) ?? [];
  if (whole === undefined || fraction.length > maxFractionDigits) return undefined;
  return whole.length > maxDigits
    ? undefined
    : { negative: sign === '-', whole, fraction, exclusive };
}

/** Below zero, zero or above it when `a` is less than, equal to or greater than `b`, as values. */
export function compareBounds(a: Bound, b: Bound): number {
  const digits = (bound: Bound): bigint => {
    const magnitude = BigInt(bound.whole + bound.fraction.padEnd(maxFractionDigits, '0'));
    return bound.negative ? -magnitude : magnitude;
  };
  const difference = digits(a) - digits(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/**
 * Numbers (or only whole ones) in `range`, undefined if there are none. Without exponents: those
 * could leave the range again.
 */
export function numbersInRange(
  grammar: Grammar,
  range: Range,
  wholeOnly: boolean,
): Expression | undefined {
  const { min, max } = range;
  const options: Expression[] = [];
  if (min === undefined || isBelowZero(min)) {
    // Mirrored: the maximum's magnitude is the least. −0 is left to the other side.
    const least = max !== undefined && isBelowZero(max) ? max : zero(true);
    const magnitudes = between(grammar, least, min, wholeOnly);
    if (magnitudes !== undefined) options.push(sequence(text('-'), magnitudes));
  }
  if (max === undefined || !max.negative) {
    const least = min === undefined || min.negative ? zero(false) : min;
    const magnitudes = between(grammar, least, max, wholeOnly);
    if (magnitudes !== undefined) options.push(magnitudes);
  }
  return options.length === 0 ? undefined : choice(...options);
}

function zero(exclusive: boolean): Bound {
  return { negative: false, whole: '0', fraction: '', exclusive };
}

function isBelowZero(bound: Bound): boolean {
  return bound.negative && (bound.whole !== '0' || bound.fraction !== '');
}

/** Magnitudes from `low` to `high`, both taken without their sign. */
function between(
  grammar: Grammar,
  low: Bound,
  high: Bound | undefined,
  wholeOnly: boolean,
): Expression | undefined {
  const options: Expression[] = [];
  const add = (whole: Expression | undefined, fraction: Expression | undefined): void => {
    if (whole !== undefined && fraction !== undefined) options.push(sequence(whole, fraction));
  };
  const fraction = (least?: Bound, most?: Bound): Expression | undefined =>
    fractionWithin(grammar, edgeOf(least), edgeOf(most), wholeOnly);

  if (high !== undefined && high.whole === low.whole) {
    add(text(low.whole), fraction(low, high));
  } else {
    const first = BigInt(low.whole) + 1n;
    const last = high === undefined ? undefined : BigInt(high.whole) - 1n;
    add(text(low.whole), fraction(low));
    add(wholeNumbers(grammar, first, last), fraction());
    if (high !== undefined && BigInt(high.whole) > BigInt(low.whole)) {
      add(text(high.whole), fraction(undefined, high));
    }
  }
  return options.length === 0 ? undefined : choice(...options);
}

/** Whole numbers from `first` to `last`; without `last` up to `maxDigits` digits. */
function wholeNumbers(
  grammar: Grammar,
  first: bigint,
  last: bigint | undefined,
): Expression | undefined {
  const end = last ?? 10n ** BigInt(maxDigits) - 1n;
  const options: Expression[] = [];
  for (let start = first; start <= end; ) {
    const { length } = start.toString();
    const longest = 10n ** BigInt(length) - 1n;
    const stop = longest < end ? longest : end;
    options.push(sameLength(grammar, start.toString(), stop.toString()));
    start = stop + 1n;
  }
  return options.length === 0 ? undefined : choice(...options);
}

/** Digit strings from `first` to `last`, which have the same length. */
function sameLength(grammar: Grammar, first: string, last: string): Expression {
  const rest = first.length - 1;
  if (rest < 0) return nothing;
  const free = (length: number): Expression => grammar.repeat(character(digit), length, length);
  if (/^[01]0*$/.test(first) && /^9*$/.test(last)) {
    return sequence(digitsFrom(digitAt(first, 0), 9), free(rest));
  }
  const [low, high] = [digitAt(first, 0), digitAt(last, 0)];
  if (low === high) {
    return sequence(text(String(low)), sameLength(grammar, first.slice(1), last.slice(1)));
  }
  const options = [
    sequence(text(String(low)), sameLength(grammar, first.slice(1), '9'.repeat(rest))),
  ];
  if (high - low > 1) options.push(sequence(digitsFrom(low + 1, high - 1), free(rest)));
  options.push(sequence(text(String(high)), sameLength(grammar, '0'.repeat(rest), last.slice(1))));
  return choice(...options);
}

/** What is left of a bound's fraction on the way along it. */
interface Edge {
  readonly digits: string;
  readonly exclusive: boolean;
}

function edgeOf(bound: Bound | undefined): Edge | undefined {
  return bound && { digits: bound.fraction, exclusive: bound.exclusive };
}

/** A fraction, or none, so that the number stays within the edges; undefined if none fits. */
function fractionWithin(
  grammar: Grammar,
  least: Edge | undefined,
  most: Edge | undefined,
  wholeOnly: boolean,
): Expression | undefined {
  const options: Expression[] = [];
  if (mayEnd(least, most)) options.push(nothing);
  if (!wholeOnly) {
    const digits = nextDigit(grammar, least, most, maxFractionDigits);
    if (digits !== undefined) options.push(sequence(text('.'), digits));
  }
  return options.length === 0 ? undefined : choice(...options);
}

/** The digits so far may stand alone: what is missing counts as zeros. */
function mayEnd(least: Edge | undefined, most: Edge | undefined): boolean {
  if (least !== undefined && (least.digits !== '' || least.exclusive)) return false;
  return most === undefined || most.digits !== '' || !most.exclusive;
}

/** One digit or more within the edges, at most `left`. */
function nextDigit(
  grammar: Grammar,
  least: Edge | undefined,
  most: Edge | undefined,
  left: number,
): Expression | undefined {
  const low = least?.digits === '' && !least.exclusive ? undefined : least;
  if (low === undefined && most === undefined) return grammar.repeat(character(digit), 1, left);
  if (left === 0) return undefined;
  const lowDigit = low === undefined ? -1 : digitAt(low.digits, 0);
  const highDigit = most === undefined ? 10 : digitAt(most.digits, 0);
  if (lowDigit > highDigit) return undefined;
  const options: Expression[] = [];
  const along = (value: number, lowNext: Edge | undefined, highNext: Edge | undefined): void => {
    const tails: Expression[] = [];
    if (mayEnd(lowNext, highNext)) tails.push(nothing);
    const more = nextDigit(grammar, lowNext, highNext, left - 1);
    if (more !== undefined && left > 1) tails.push(more);
    if (tails.length > 0) options.push(sequence(text(String(value)), choice(...tails)));
  };
  if (lowDigit === highDigit) {
    along(lowDigit, next(low), next(most));
  } else {
    if (low !== undefined) along(lowDigit, next(low), undefined);
    if (highDigit - lowDigit > 1) {
      const tail = grammar.repeat(character(digit), 0, left - 1);
      options.push(sequence(digitsFrom(lowDigit + 1, highDigit - 1), tail));
    }
    if (most !== undefined) along(highDigit, undefined, next(most));
  }
  return options.length === 0 ? undefined : choice(...options);
}

function next(edge: Edge | undefined): Edge | undefined {
  return edge && { digits: edge.digits.slice(1), exclusive: edge.exclusive };
}

/** Digits past the end of a bound are zeros. */
function digitAt(digits: string, index: number): number {
  return Number(digits[index] ?? '0');
}

function digitsFrom(from: number, to: number): Expression {
  return character([[0x30 + from, 0x30 + to]]);
}
