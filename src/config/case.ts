/**
 * The one conversion between the file's snake_case and the program's camelCase.
 *
 * Keys that people invent (names of endpoints, models, tenants and headers) are data and stay as
 * they are; which maps those are is listed once, and `schema.test.ts` compares the list with the
 * schema.
 */

/** Maps whose keys are names given by people, by the key that holds the map. */
export const userKeyedMaps: ReadonlySet<string> = new Set([
  'endpoints',
  'models',
  'tenants',
  'headers',
]);

type CamelKey<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelKey<Tail>>}`
  : S;

/** The type after `toCamel`, deeply readonly. */
export type Camel<T> = T extends readonly (infer Item)[]
  ? readonly Camel<Item>[]
  : T extends object
    ? string extends keyof T
      ? { readonly [K in keyof T]: Camel<T[K]> }
      : { readonly [K in keyof T as K extends string ? CamelKey<K> : K]: Camel<T[K]> }
    : T;

/** A parsed file with camelCase keys. */
export function toCamel<T>(value: T): Camel<T> {
  return convert(value, camel) as Camel<T>;
}

/** The reverse of `toCamel`, for printing. */
export function toSnake(value: unknown): unknown {
  return convert(value, snake);
}

function convert(value: unknown, rename: (key: string) => string, keepKeys = false): unknown {
  if (Array.isArray(value)) return value.map((item) => convert(item, rename));
  if (!isPlainObject(value)) return value;
  const converted: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    converted[keepKeys ? key : rename(key)] = convert(
      item,
      rename,
      !keepKeys && userKeyedMaps.has(key),
    );
  }
  return converted;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
  );
}

function camel(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function snake(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
