/**
 * Where a text stops being JSON. V8 names the position for some errors only, so the place is found
 * again by a small scanner that runs only after JSON.parse has failed.
 */
import { UnbusyError } from '../../core/errors.ts';

/**
 * Parses the text of a request body, which must be an object.
 *
 * @throws UnbusyError `invalid_json` with the position, invalid_request where it is no object or
 *   nested too deep.
 */
export function parseJsonObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidJson(text);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    if (nestsDeeperThan(value, nestingMax)) throw nestedTooDeep();
    return value as Record<string, unknown>;
  }
  const found = Array.isArray(value) ? 'an array' : value === null ? 'null' : `a ${typeof value}`;
  throw new UnbusyError(
    'invalid_request',
    'invalid_request',
    `the body is ${found}; it must be a JSON object`,
  );
}

/** Whatever writes a value again recurses; JSON Schemas, the deepest bodies there are, stay far below. */
const nestingMax = 512;

function nestsDeeperThan(value: object, levels: number): boolean {
  if (levels === 0) return true;
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    if (typeof inner !== 'object' || inner === null) continue;
    if (nestsDeeperThan(inner as object, levels - 1)) return true;
  }
  return false;
}

function nestedTooDeep(): UnbusyError {
  const message = `the body is nested more than ${nestingMax} levels deep, the most allowed`;
  return new UnbusyError('invalid_request', 'invalid_request', message);
}

function invalidJson(text: string): UnbusyError {
  const position = jsonErrorPosition(text);
  const before = text.slice(0, position);
  const line = before.split('\n').length;
  const column = position - before.lastIndexOf('\n');
  const found = position >= text.length ? 'it ends' : `found ${JSON.stringify(text[position])}`;
  const message =
    text.trim() === ''
      ? 'the body is empty; it must be a JSON object'
      : `the body is not valid JSON: ${found} at position ${position} (line ${line}, column ${column})`;
  return new UnbusyError('invalid_request', 'invalid_json', message, {
    facts: { position, line, column },
  });
}

/** Any token but a string. */
const tokenPattern = /[{}[\],:]|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

type Expected = 'value' | 'value_or_end' | 'key' | 'key_or_end' | 'colon' | 'comma_or_end' | 'end';

/** Offset of the first character that does not belong; the text's length where it breaks off. */
export function jsonErrorPosition(text: string): number {
  const open: string[] = [];
  let expected: Expected = 'value';
  let at = 0;
  for (;;) {
    const start = skipSpace(text, at);
    const token = readToken(text, start);
    if (!token.good) return token.end;
    const next = afterToken(expected, text[start] as string, open);
    if (next === undefined) return start;
    expected = next;
    at = token.end;
  }
}

/** `end`: where the token ends, or where it stops being one. */
function readToken(text: string, start: number): { good: boolean; end: number } {
  if (text[start] === '"') return readString(text, start);
  tokenPattern.lastIndex = start;
  const good = tokenPattern.test(text);
  return { good, end: good ? tokenPattern.lastIndex : start };
}

/** By hand: a regular expression's stack does not hold a prompt of many megabytes. */
function readString(text: string, start: number): { good: boolean; end: number } {
  let at = start + 1;
  while (at < text.length) {
    const char = text[at] as string;
    if (char === '"') return { good: true, end: at + 1 };
    if (char < ' ') return { good: false, end: at };
    if (char === '\\') {
      const escaped = /^\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(text.slice(at, at + 6));
      if (escaped === null) return { good: false, end: at };
      at += escaped[0].length;
    } else at += 1;
  }
  return { good: false, end: text.length };
}

/** What may follow a token that begins with `first`, or undefined where it may not stand here. */
function afterToken(expected: Expected, first: string, open: string[]): Expected | undefined {
  const wantsValue = expected === 'value' || expected === 'value_or_end';
  const afterValue = () => (open.length === 0 ? 'end' : 'comma_or_end');
  switch (first) {
    case '{':
    case '[':
      if (!wantsValue) return undefined;
      open.push(first);
      return first === '{' ? 'key_or_end' : 'value_or_end';
    case '}':
    case ']': {
      const opener = first === '}' ? '{' : '[';
      const mayEnd =
        expected === 'comma_or_end' || expected === (first === '}' ? 'key_or_end' : 'value_or_end');
      if (!mayEnd || open.pop() !== opener) return undefined;
      return afterValue();
    }
    case ':':
      return expected === 'colon' ? 'value' : undefined;
    case ',':
      if (expected !== 'comma_or_end') return undefined;
      return open.at(-1) === '{' ? 'key' : 'value';
    case '"':
      if (expected === 'key' || expected === 'key_or_end') return 'colon';
      return wantsValue ? afterValue() : undefined;
    default:
      return wantsValue ? afterValue() : undefined;
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && ' \t\n\r'.includes(text[at] as string)) at += 1;
  return at;
}
