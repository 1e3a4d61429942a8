/**
 * Checks of single fields of a request body, written out by hand: a schema library costs ten times
 * as much per request, and these say what OpenAI's own errors say: the field's path, what was
 * found, what is allowed. `null` counts as absent everywhere, as OpenAI's clients send it.
 */
import { UnbusyError } from '../../core/errors.ts';

export type Body = Readonly<Record<string, unknown>>;

/** Inclusive bounds, as the message tells them. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** The error for a field that is not as it must be. */
export function invalidField(path: string, found: unknown, allowed: string): UnbusyError {
  const message = `${path}: found ${describe(found)}; allowed: ${allowed}`;
  return new UnbusyError('invalid_request', 'invalid_request', message, {
    param: path,
  });
}

/** The error for a field that must be there. */
export function missingField(path: string, allowed: string): UnbusyError {
  return new UnbusyError('invalid_request', 'invalid_request', `${path} is missing: ${allowed}`, {
    param: path,
  });
}

/** The error for a field that we understand and cannot do. */
export function unsupportedField(path: string, why: string): UnbusyError {
  return new UnbusyError('invalid_request', 'unsupported_parameter', `${path}: ${why}`, {
    param: path,
  });
}

/** A value as an error may show it: its type, and itself where it is short. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object') return 'an object';
  if (typeof value !== 'string') return `${typeof value} ${String(value)}`;
  return value.length <= 40 ? `string ${JSON.stringify(value)}` : `a string of ${value.length}`;
}

export function optionalString(body: Body, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  throw invalidField(name, value, 'a string');
}

export function optionalBoolean(body: Body, name: string): boolean | undefined {
  const value = body[name];
  if (value === undefined || value === null || typeof value === 'boolean') {
    return value ?? undefined;
  }
  throw invalidField(name, value, 'true or false');
}

export function optionalNumber(body: Body, name: string, range: Range): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && value >= range.min && value <= range.max) return value;
  throw invalidField(name, value, `a number from ${range.min} to ${range.max}`);
}

/** `path` where the field is not at the top of the body. */
export function optionalInteger(
  body: Body,
  name: string,
  range: Range,
  path = name,
): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (Number.isInteger(value) && (value as number) >= range.min && (value as number) <= range.max) {
    return value as number;
  }
  const upTo = range.max >= Number.MAX_SAFE_INTEGER ? 'up' : `to ${range.max}`;
  throw invalidField(path, value, `a whole number from ${range.min} ${upTo}`);
}

export function optionalObject(body: Body, name: string): Body | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (isObject(value)) return value;
  throw invalidField(name, value, 'an object');
}

export function optionalArray(body: Body, name: string): readonly unknown[] | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return value;
  throw invalidField(name, value, 'an array');
}

export function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
