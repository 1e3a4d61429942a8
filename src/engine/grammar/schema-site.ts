/**
 * Places in a JSON Schema document, and what can be asked of them: children, references, and the
 * alternatives that `anyOf`, `oneOf` and `allOf` amount to.
 *
 * A schema is looked at as a conjunction of sites, all of which must hold. That makes `allOf` and
 * `$ref` with neighbours ordinary, and gives every combination of sites one stable name.
 */
import { UnbusyError } from '../../core/errors.ts';

/** One schema within the document. */
export interface Site {
  readonly schema: Readonly<Record<string, unknown>> | boolean;
  /** Where it stands, as told to the caller; the same place always has the same path. */
  readonly path: string;
}

export interface SchemaDocument {
  readonly root: Site;
  /** The schema that `$ref` at `site` stands for. */
  resolve(site: Site, ref: unknown): Site;
  /**
   * Counts work on this schema. References can repeat their targets exponentially, so that the size
   * of a schema says little; throws `unsupported_schema` once it is over `schemaLimits.work`.
   */
  spend(units: number): void;
}

/** Bounds on how schemas may be combined. `work` is counted in schemas and values looked at. */
export const schemaLimits = {
  alternatives: 256,
  listed: 256,
  values: 2000,
  depth: 64,
  work: 50_000,
} as const;

/** Wraps a caller's schema; `path` is where the caller wrote it. */
export function createSchemaDocument(schema: unknown, path: string): SchemaDocument {
  const root = siteOf(schema, path);
  let work = 0;
  return {
    root,
    spend(units) {
      work += units;
      if (work <= schemaLimits.work) return;
      throw unsupportedSchema(path, 'the schema combines and repeats too many schemas or values');
    },
    resolve(site, ref) {
      const refPath = pathOf(site.path, '$ref');
      if (typeof ref !== 'string') throw invalidSchema(refPath, '$ref must be a string');
      if (ref !== '#' && !ref.startsWith('#/')) {
        throw unsupportedSchema(refPath, `$ref ${JSON.stringify(ref)} leads out of this schema`);
      }
      let value: unknown = schema;
      let at = path;
      for (const part of ref.split('/').slice(1)) {
        const key = decodePointer(part);
        const holder = value;
        value = isRecord(holder) && Object.hasOwn(holder, key) ? holder[key] : undefined;
        if (Array.isArray(holder)) value = holder[Number(key)];
        if (value === undefined) {
          throw invalidSchema(refPath, `$ref ${JSON.stringify(ref)} leads to nothing`);
        }
        at = pathOf(at, Array.isArray(holder) ? Number(key) : key);
      }
      return siteOf(value, at);
    },
  };
}

function decodePointer(part: string): string {
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return part;
  }
}

/** A schema found at `path`. Throws `invalid_schema` unless it is an object or a boolean. */
export function siteOf(schema: unknown, path: string): Site {
  if (isRecord(schema) || typeof schema === 'boolean') return { schema, path };
  throw invalidSchema(path, `a schema must be an object or a boolean, not ${nameOf(schema)}`);
}

/** `keyword` of a schema that is an object; undefined where it is absent. */
export function keywordOf(site: Site, keyword: string): unknown {
  return typeof site.schema === 'object' && Object.hasOwn(site.schema, keyword)
    ? site.schema[keyword]
    : undefined;
}

/** The schema under `keyword`, undefined where it is absent. */
export function childAt(site: Site, keyword: string): Site | undefined {
  const value = keywordOf(site, keyword);
  return value === undefined ? undefined : siteOf(value, pathOf(site.path, keyword));
}

/** The list of schemas under `keyword`, undefined where it is absent. */
export function childrenAt(site: Site, keyword: string): readonly Site[] | undefined {
  const value = keywordOf(site, keyword);
  if (value === undefined) return undefined;
  const path = pathOf(site.path, keyword);
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidSchema(path, `${keyword} must be a list of schemas, not empty`);
  }
  if (value.length > schemaLimits.listed) {
    throw unsupportedSchema(path, `more than ${schemaLimits.listed} schemas in one list`);
  }
  return value.map((schema: unknown, index) => siteOf(schema, pathOf(path, index)));
}

/**
 * All ways to satisfy `sites` together: each alternative is a list of sites whose own keywords must
 * hold, `$ref`, `allOf`, `anyOf` and `oneOf` already taken apart. Empty: impossible. (`oneOf` is
 * read as `anyOf`: a grammar cannot count how many alternatives a text matches.)
 */
export function alternativesOf(
  document: SchemaDocument,
  sites: readonly Site[],
): readonly (readonly Site[])[] {
  return combine(sites.map((site) => expand(document, site, [])));
}

type Alternatives = readonly (readonly Site[])[];

function expand(document: SchemaDocument, site: Site, trail: readonly string[]): Alternatives {
  document.spend(1);
  if (typeof site.schema === 'boolean') return site.schema ? [[]] : [];
  if (trail.includes(site.path)) {
    throw invalidSchema(site.path, 'the schema refers to itself without anything in between');
  }
  if (trail.length >= schemaLimits.depth) throw tooDeep(site.path);
  const further = [...trail, site.path];
  const all = (sites: readonly Site[]): Alternatives[] =>
    sites.map((part) => expand(document, part, further));

  const factors: Alternatives[] = [[[site]]];
  const ref = keywordOf(site, '$ref');
  if (ref !== undefined) factors.push(...all([document.resolve(site, ref)]));
  factors.push(...all(childrenAt(site, 'allOf') ?? []));
  for (const keyword of ['anyOf', 'oneOf']) {
    const options = childrenAt(site, keyword);
    if (options !== undefined) factors.push(all(options).flat());
  }
  return combine(factors, site.path);
}

/** Every choice of one alternative per factor, put together. */
function combine(factors: readonly Alternatives[], path = ''): Alternatives {
  let combined: Alternatives = [[]];
  for (const factor of factors) {
    if (combined.length * factor.length > schemaLimits.alternatives) {
      throw unsupportedSchema(
        path,
        `anyOf and oneOf combine to more than ${schemaLimits.alternatives} alternatives`,
      );
    }
    combined = combined.flatMap((left) => factor.map((right) => distinct([...left, ...right])));
  }
  return combined;
}

function distinct(sites: readonly Site[]): readonly Site[] {
  return [...new Map(sites.map((site) => [site.path, site])).values()];
}

/** `path` with one more step: `.name`, `[0]` or `["any other name"]`. */
export function pathOf(path: string, step: string | number): string {
  if (typeof step === 'number') return `${path}[${step}]`;
  return /^[$\w-]+$/.test(step) ? `${path}.${step}` : `${path}[${JSON.stringify(step)}]`;
}

/** A JSON value's kind, for messages. */
export function nameOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : typeof value;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a grammar cannot express, with the place in the caller's request. */
export function unsupportedSchema(param: string, problem: string): UnbusyError {
  const message = `${param}: ${problem}`;
  return new UnbusyError('invalid_request', 'unsupported_schema', message, { param });
}

/** A schema that contradicts itself or is not one. */
export function invalidSchema(param: string, problem: string): UnbusyError {
  return new UnbusyError('invalid_request', 'invalid_schema', `${param}: ${problem}`, { param });
}

/** Deeper than `schemaLimits.depth`. */
export function tooDeep(path: string): UnbusyError {
  return unsupportedSchema(path, `the schema is nested deeper than ${schemaLimits.depth} levels`);
}
