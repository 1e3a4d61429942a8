/**
 * JSON Schema to GBNF: the grammar that holds an answer to its schema.
 *
 * The text is compact JSON, with one space allowed after `:` and `,`, members in the order in which
 * the schema declares them. Everything the grammar lets through is valid by the schema; not every
 * valid text is let through. Where a schema leaves something open, the grammar takes what callers
 * mean: `properties` without `additionalProperties` allow no others, a tuple without `minItems` is
 * complete, keywords without `type` mean the type that they are for, and `oneOf` is `anyOf`.
 *
 * What cannot be expressed is refused with its path, never ignored (docs/reference/engine.md).
 */
import { arrayGrammar } from './array-grammar.ts';
import { type Facets, facetsOf, type JsonType } from './facets.ts';
import {
  choice,
  createGrammar,
  type Expression,
  type Grammar,
  optional,
  sequence,
  text,
} from './gbnf.ts';
import { type JsonRules, jsonRules } from './json-text.ts';
import { numbersInRange } from './number-range.ts';
import { objectGrammar } from './object-grammar.ts';
import {
  alternativesOf,
  createSchemaDocument,
  invalidSchema,
  keywordOf,
  type SchemaDocument,
  type Site,
  schemaLimits,
  tooDeep,
} from './schema-site.ts';
import { stringGrammar } from './string-grammar.ts';

/** What the parts of the compiler share. */
export interface SchemaCompiler {
  readonly grammar: Grammar;
  readonly rules: JsonRules;
  /** The values that satisfy all of `sites`; undefined if the schema itself says there are none. */
  compile(sites: readonly Site[]): Expression | undefined;
}

/** Where OpenAI's request carries the schema. */
const defaultPath = 'response_format.json_schema.schema';

/**
 * The grammar for `schema`. Throws `UnbusyError` invalid_request `unsupported_schema` or
 * `invalid_schema`, with the place in the request as `param`.
 */
export function grammarForSchema(schema: unknown, path: string = defaultPath): string {
  const document = createSchemaDocument(schema, path);
  const grammar = createGrammar(path);
  const compiler = createCompiler(document, grammar);
  const value = compiler.compile([document.root]);
  if (value === undefined) throw invalidSchema(path, 'the schema allows no value at all');
  return grammar.write(answer(value));
}

/** The grammar of `{"type": "json_object"}`: any JSON object. */
export const jsonObjectGrammar: string = (() => {
  const grammar = createGrammar('response_format');
  return grammar.write(answer(jsonRules(grammar).object));
})();

/** Models that think put up to two newlines between the thought and the answer. */
function answer(value: Expression): Expression {
  const newline = text('\n');
  return sequence(optional(newline), optional(newline), value);
}

function createCompiler(document: SchemaDocument, grammar: Grammar): SchemaCompiler {
  const known = new Map<string, Expression>();
  let depth = 0;
  const compiler: SchemaCompiler = {
    grammar,
    rules: jsonRules(grammar),
    compile(given) {
      const sites = given.map((site) => withoutDetours(document, site));
      const key = [...new Set(sites.map((site) => site.path))].sort().join(' & ');
      const found = known.get(key);
      if (found !== undefined) return found;
      const alternatives = alternativesOf(document, sites);
      if (alternatives.length === 0) return undefined;
      if (depth >= schemaLimits.depth) throw tooDeep(sites[0]?.path ?? '');
      const path = sites[0]?.path ?? '';
      const rule = grammar.reserve(path.slice(path.lastIndexOf('.') + 1));
      known.set(key, rule.reference);
      depth++;
      for (const alternative of alternatives) document.spend(costOf(alternative));
      rule.define(compileAlternatives(compiler, alternatives, path));
      depth--;
      return rule.reference;
    },
  };
  return compiler;
}

/** Work of looking at an alternative: its schemas, and their values. */
function costOf(sites: readonly Site[]): number {
  const values = sites.map((site) => keywordOf(site, 'enum'));
  return sites.length + values.reduce<number>((sum, list) => sum + sizeOf(list), 0);
}

function sizeOf(list: unknown): number {
  return Array.isArray(list) ? list.length : 0;
}

/** A site that is nothing but a `$ref` is the one that it refers to. */
function withoutDetours(document: SchemaDocument, site: Site): Site {
  let at = site;
  for (let steps = 0; steps < schemaLimits.depth; steps++) {
    if (typeof at.schema === 'boolean') return at;
    const keywords = Object.keys(at.schema).filter((keyword) => !isDecoration(keyword));
    if (keywords.length !== 1 || keywords[0] !== '$ref') return at;
    at = document.resolve(at, at.schema['$ref']);
  }
  return at;
}

function isDecoration(keyword: string): boolean {
  return keyword === 'title' || keyword === 'description' || keyword === 'default';
}

function compileAlternatives(
  compiler: SchemaCompiler,
  alternatives: readonly (readonly Site[])[],
  path: string,
): Expression {
  const options: Expression[] = [];
  for (const sites of alternatives) {
    const facets = facetsOf(sites);
    options.push(...compileFacets(compiler, sites, facets));
  }
  if (options.length > 0) return choice(...options);
  throw invalidSchema(path, 'no value can satisfy all of its keywords (types, enum, const)');
}

/** One expression per type or value; none if the keywords contradict each other. */
function compileFacets(
  compiler: SchemaCompiler,
  sites: readonly Site[],
  facets: Facets,
): readonly Expression[] {
  if (sites.length === 0) return [compiler.rules.any];
  if (facets.values !== undefined) {
    return facets.values.map((value) => text(JSON.stringify(value)));
  }
  return [...facets.types].map((type) => compileType(compiler, sites, facets, type));
}

function compileType(
  compiler: SchemaCompiler,
  sites: readonly Site[],
  facets: Facets,
  type: JsonType,
): Expression {
  const { grammar, rules } = compiler;
  switch (type) {
    case 'null':
      return text('null');
    case 'boolean':
      return choice(text('true'), text('false'));
    case 'object':
      return objectGrammar(compiler, sites);
    case 'array':
      return arrayGrammar(compiler, sites, facets.items);
    case 'string':
      return stringGrammar(grammar, rules, facets);
    case 'number':
    case 'integer': {
      const wholeOnly = type === 'integer';
      if (facets.min === undefined && facets.max === undefined) {
        return wholeOnly ? rules.integer : rules.number;
      }
      const numbers = numbersInRange(grammar, facets, wholeOnly);
      if (numbers !== undefined) return numbers;
      throw invalidSchema(sites[0]?.path ?? '', `no ${type} lies between minimum and maximum`);
    }
  }
}
