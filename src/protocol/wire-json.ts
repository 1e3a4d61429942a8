/**
 * Walking over JSON text in bytes without building values.
 *
 * Each function takes the place where something begins and returns the place behind it, or −1
 * where the bytes are not that thing. They accept exactly what `JSON.parse` accepts. `end` bounds
 * what may be read: the buffer usually goes on with bytes that belong to something else.
 */

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const BACKSLASH = 92;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
/** Deeper nesting is given up on (−1); chat chunks nest about six deep. */
const DEPTH_MAX = 200;

const TRUE = [116, 114, 117, 101];
const FALSE = [102, 97, 108, 115, 101];
const NULL = [110, 117, 108, 108];

/** Skips spaces, tabs and line breaks; never fails. */
export function skipSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const byte = bytes[at];
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) break;
    at += 1;
  }
  return at;
}

/** `from` is at the opening quote. */
export function skipString(bytes: Uint8Array, from: number, end: number): number {
  let at = from + 1;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) return at + 1;
    if (byte < 32) return -1;
    if (byte === BACKSLASH) {
      at = skipEscape(bytes, at, end);
      if (at < 0) return -1;
    } else {
      at += 1;
    }
  }
  return -1;
}

/** Any value; `from` is at its first byte. */
export function skipValue(bytes: Uint8Array, from: number, end: number, depth = 0): number {
  if (from >= end) return -1;
  switch (bytes[from]) {
    case QUOTE:
      return skipString(bytes, from, end);
    case OPEN_OBJECT:
    case OPEN_ARRAY:
      return depth < DEPTH_MAX ? skipContainer(bytes, from, end, depth + 1) : -1;
    case TRUE[0]:
      return skipWord(bytes, from, end, TRUE);
    case FALSE[0]:
      return skipWord(bytes, from, end, FALSE);
    case NULL[0]:
      return skipWord(bytes, from, end, NULL);
    default:
      return skipNumber(bytes, from, end);
  }
}

function skipContainer(bytes: Uint8Array, from: number, end: number, depth: number): number {
  const keyed = bytes[from] === OPEN_OBJECT;
  const close = keyed ? CLOSE_OBJECT : CLOSE_ARRAY;
  let at = skipSpace(bytes, from + 1, end);
  if (at < end && bytes[at] === close) return at + 1;
  for (;;) {
    if (keyed) {
      at = skipKey(bytes, at, end);
      if (at < 0) return -1;
    }
    at = skipValue(bytes, at, end, depth);
    if (at < 0) return -1;
    at = skipSpace(bytes, at, end);
    if (at >= end) return -1;
    const byte = bytes[at];
    if (byte === close) return at + 1;
    if (byte !== COMMA) return -1;
    at = skipSpace(bytes, at + 1, end);
  }
}

/** A key, its colon and the space around it; ends at the value. `from` is at the quote. */
export function skipKey(bytes: Uint8Array, from: number, end: number): number {
  if (from >= end || bytes[from] !== QUOTE) return -1;
  let at = skipString(bytes, from, end);
  if (at < 0) return -1;
  at = skipSpace(bytes, at, end);
  if (at >= end || bytes[at] !== COLON) return -1;
  return skipSpace(bytes, at + 1, end);
}

function skipEscape(bytes: Uint8Array, from: number, end: number): number {
  if (from + 1 >= end) return -1;
  switch (bytes[from + 1]) {
    case QUOTE:
    case BACKSLASH:
    case 47: // the solidus
    case 98: // \b
    case 102: // \f
    case 110: // \n
    case 114: // \r
    case 116: // \t
      return from + 2;
    case 117: // \uXXXX
      if (from + 6 > end) return -1;
      for (let at = from + 2; at < from + 6; at += 1) if (!isHex(bytes[at] as number)) return -1;
      return from + 6;
    default:
      return -1;
  }
}

function skipWord(bytes: Uint8Array, from: number, end: number, word: readonly number[]): number {
  if (from + word.length > end) return -1;
  for (let i = 0; i < word.length; i += 1) if (bytes[from + i] !== word[i]) return -1;
  return from + word.length;
}

function skipNumber(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  if (bytes[at] === 45) at += 1;
  const zero = at < end && bytes[at] === 48;
  const whole = skipDigits(bytes, at, end);
  if (whole === at || (zero && whole > at + 1)) return -1;
  at = whole;
  if (at < end && bytes[at] === 46) {
    const fraction = skipDigits(bytes, at + 1, end);
    if (fraction === at + 1) return -1;
    at = fraction;
  }
  if (at < end && ((bytes[at] as number) | 32) === 101) {
    at += 1;
    if (at < end && (bytes[at] === 43 || bytes[at] === 45)) at += 1;
    const exponent = skipDigits(bytes, at, end);
    if (exponent === at) return -1;
    at = exponent;
  }
  return at;
}

function skipDigits(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && isDigit(bytes[at] as number)) at += 1;
  return at;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

function isHex(byte: number): boolean {
  const lower = byte | 32;
  return isDigit(byte) || (lower >= 97 && lower <= 102);
}
