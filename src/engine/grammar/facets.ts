/**
 * What several sites that must all hold amount to: types, values, and the keywords of each type.
 *
 * Checks every keyword: one that is not known, or whose value makes no sense, is an error with its
 * path, because a constraint that is quietly dropped is worse than one that is refused.
 */
import { type Bound, boundOf, compareBounds } from './number-range.ts';
import {
  invalidSchema,
  isRecord,
  keywordOf,
  nameOf,
  pathOf,
  type Site,
  schemaLimits,
  unsupportedSchema,
} from './schema-site.ts';

export type JsonType = 'null' | 'boolean' | 'object' | 'array' | 'string' | 'number' | 'integer';

export interface Facets {
  /** `integer` only where `number` is not there. Empty: contradictory. */
  readonly types: ReadonlySet<JsonType>;
  /** From `enum` and `const`, already of the right types. Empty: contradictory. */
  readonly values?: readonly unknown[] | undefined;
  readonly length: CountRange;
  readonly items: CountRange;
  readonly min?: Bound | undefined;
  readonly max?: Bound | undefined;
  readonly patterns: readonly StringPattern[];
}

/** A count between two keywords' values, and where they stand. */
export interface CountRange {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly path?: string | undefined;
}

export interface StringPattern {
  readonly keyword: 'pattern' | 'format';
  readonly value: string;
  readonly path: string;
}

const keywordsByType = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
} as const;
const assertions: readonly string[] = Object.values(keywordsByType).flat();

const structural = ['type', 'enum', 'const', 'nullable', 'anyOf', 'oneOf', 'allOf', '$ref'];
/** Keywords that say nothing about the value. `discriminator` only names the deciding property. */
const annotations = [
  ...['$schema', '$id', '$comment', '$anchor', '$defs', 'definitions', 'title', 'description'],
  ...['default', 'example', 'examples', 'deprecated', 'readOnly', 'writeOnly', 'discriminator'],
];
const known = new Set<string>([...structural, ...annotations, ...assertions]);

const allTypes: readonly JsonType[] = ['null', 'boolean', 'object', 'array', 'string', 'number'];

/** The facets of `sites` taken together. Throws `unsupported_schema` and `invalid_schema`. */
export function facetsOf(sites: readonly Site[]): Facets {
  for (const site of sites) checkKeywords(site);
  const types = typesOf(sites);
  const values = valuesOf(sites)?.filter((value) => isOfTypes(value, types));
  if (values !== undefined) refuseBesideValues(sites);
  const min = tightest(sites, 'minimum', 'exclusiveMinimum', 1);
  const max = tightest(sites, 'maximum', 'exclusiveMaximum', -1);
  if (min !== undefined && max !== undefined && compareBounds(min, max) > 0) {
    throw invalidSchema(sites[0]?.path ?? '', 'the minimum is above the maximum');
  }
  return {
    types,
    values,
    length: countRange(sites, 'minLength', 'maxLength'),
    items: countRange(sites, 'minItems', 'maxItems'),
    min,
    max,
    patterns: sites.flatMap(patternsOf),
  };
}

function checkKeywords(site: Site): void {
  if (typeof site.schema === 'boolean') return;
  for (const keyword of Object.keys(site.schema)) {
    if (known.has(keyword) || keyword.startsWith('x-')) continue;
    throw unsupportedSchema(
      pathOf(site.path, keyword),
      `the keyword ${JSON.stringify(keyword)} is not supported`,
    );
  }
}

/** Declared types, each site's against the others'; without any, those that the keywords are for. */
function typesOf(sites: readonly Site[]): ReadonlySet<JsonType> {
  const declared = sites.flatMap((site) => declaredTypes(site) ?? []);
  if (declared.length > 0) return declared.reduce(intersectTypes);
  const meant = Object.entries(keywordsByType)
    .filter(([, keywords]) => keywords.some((keyword) => sites.some((site) => has(site, keyword))))
    .map(([type]) => type as keyof typeof keywordsByType);
  const nullable = sites.some((site) => keywordOf(site, 'nullable') === true);
  if (meant.length === 0) return new Set(allTypes);
  return new Set<JsonType>(nullable ? [...meant, 'null'] : meant);
}

function declaredTypes(site: Site): [ReadonlySet<JsonType>] | undefined {
  const type = keywordOf(site, 'type');
  const nullable = keywordOf(site, 'nullable');
  if (nullable !== undefined && typeof nullable !== 'boolean') {
    throw invalidSchema(pathOf(site.path, 'nullable'), 'nullable must be true or false');
  }
  if (type === undefined) return undefined;
  const names: readonly unknown[] = Array.isArray(type) ? type : [type];
  const types = new Set<JsonType>(nullable === true ? ['null'] : []);
  for (const name of names) {
    if (name !== 'integer' && !(allTypes as readonly unknown[]).includes(name)) {
      throw invalidSchema(
        pathOf(site.path, 'type'),
        `${JSON.stringify(name)} is not a JSON type; allowed are ${[...allTypes, 'integer'].join(', ')}`,
      );
    }
    types.add(name as JsonType);
  }
  if (names.length === 0) throw invalidSchema(pathOf(site.path, 'type'), 'the list is empty');
  if (types.has('number')) types.delete('integer');
  return [types];
}

function intersectTypes(a: ReadonlySet<JsonType>, b: ReadonlySet<JsonType>): ReadonlySet<JsonType> {
  const both = new Set([...a].filter((type) => b.has(type)));
  const integerIn = (types: ReadonlySet<JsonType>): boolean =>
    types.has('integer') || types.has('number');
  if (!both.has('number') && integerIn(a) && integerIn(b)) both.add('integer');
  return both;
}

function valuesOf(sites: readonly Site[]): readonly unknown[] | undefined {
  let values: Map<string, unknown> | undefined;
  const narrow = (allowed: readonly unknown[]): void => {
    const named = new Map(allowed.map((value) => [canonical(value), value]));
    values =
      values === undefined ? named : new Map([...values].filter(([name]) => named.has(name)));
  };
  for (const site of sites) {
    const list = keywordOf(site, 'enum');
    if (list !== undefined) {
      if (!Array.isArray(list) || list.length === 0) {
        throw invalidSchema(pathOf(site.path, 'enum'), 'enum must be a list of values, not empty');
      }
      if (list.length > schemaLimits.values) {
        throw unsupportedSchema(
          pathOf(site.path, 'enum'),
          `more than ${schemaLimits.values} values are not supported`,
        );
      }
      narrow(list);
    }
    if (has(site, 'const')) narrow([keywordOf(site, 'const')]);
  }
  return values && [...values.values()];
}

/** One spelling per value, whatever the order of its keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    isRecord(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

function isOfTypes(value: unknown, types: ReadonlySet<JsonType>): boolean {
  if (value === null) return types.has('null');
  if (Array.isArray(value)) return types.has('array');
  if (typeof value === 'number') {
    return types.has('number') || (types.has('integer') && Number.isInteger(value));
  }
  return types.has(typeof value as JsonType);
}

function refuseBesideValues(sites: readonly Site[]): void {
  for (const site of sites) {
    const found = assertions.find((keyword) => has(site, keyword));
    if (found === undefined) continue;
    throw unsupportedSchema(
      pathOf(site.path, found),
      `${found} cannot be combined with enum or const: leave out the values that it excludes`,
    );
  }
}

function tightest(
  sites: readonly Site[],
  inclusive: string,
  exclusive: string,
  sign: 1 | -1,
): Bound | undefined {
  let bound: Bound | undefined;
  for (const site of sites) {
    for (const keyword of [inclusive, exclusive]) {
      if (!has(site, keyword)) continue;
      const path = pathOf(site.path, keyword);
      const value = keywordOf(site, keyword);
      if (typeof value !== 'number') {
        throw invalidSchema(path, `${keyword} must be a number, not ${nameOf(value)}`);
      }
      const found = boundOf(value, keyword === exclusive);
      if (found === undefined) {
        throw unsupportedSchema(path, `${keyword} ${value} has too many digits for a grammar`);
      }
      const order = bound === undefined ? 1 : sign * compareBounds(found, bound);
      if (order > 0 || (order === 0 && found.exclusive)) bound = found;
    }
  }
  return bound;
}

function countRange(sites: readonly Site[], least: string, most: string): CountRange {
  const min = counts(sites, least).sort((a, b) => b.value - a.value)[0];
  const max = counts(sites, most).sort((a, b) => a.value - b.value)[0];
  if (min !== undefined && max !== undefined && min.value > max.value) {
    throw invalidSchema(min.path, `${least} ${min.value} is above ${most} ${max.value}`);
  }
  return { min: min?.value, max: max?.value, path: min?.path ?? max?.path };
}

function counts(sites: readonly Site[], keyword: string): { value: number; path: string }[] {
  return sites.flatMap((site) => {
    if (!has(site, keyword)) return [];
    const path = pathOf(site.path, keyword);
    const value = keywordOf(site, keyword);
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) {
      return [{ value, path }];
    }
    throw invalidSchema(path, `${keyword} must be a whole number from 0`);
  });
}

function patternsOf(site: Site): readonly StringPattern[] {
  return (['pattern', 'format'] as const).flatMap((keyword) => {
    if (!has(site, keyword)) return [];
    const path = pathOf(site.path, keyword);
    const value = keywordOf(site, keyword);
    if (typeof value === 'string') return [{ keyword, value, path }];
    throw invalidSchema(path, `${keyword} must be a string, not ${nameOf(value)}`);
  });
}

function has(site: Site, keyword: string): boolean {
  return typeof site.schema === 'object' && Object.hasOwn(site.schema, keyword);
}
