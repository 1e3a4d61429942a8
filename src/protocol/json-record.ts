/** Parsed JSON from outside, looked at without trust. */

/** The value as an object's fields; undefined for everything that is no object. */
export function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
