/** Arrays as grammar: a tuple's elements in their places, then any number of equal ones. */
import type { CountRange } from './facets.ts';
import { type Expression, nothing, optional, sequence, text } from './gbnf.ts';
import type { SchemaCompiler } from './json-schema.ts';
import {
  childAt,
  childrenAt,
  invalidSchema,
  keywordOf,
  pathOf,
  type Site,
  unsupportedSchema,
} from './schema-site.ts';

/** Most elements of an array that has a bound, and most places of a tuple. */
export const arrayLimits = { elements: 1000, places: 64 } as const;

/** Arrays that satisfy `sites`, with a number of elements in `count`. */
export function arrayGrammar(
  compiler: SchemaCompiler,
  sites: readonly Site[],
  count: CountRange,
): Expression {
  const tuples = sites.map((site) => ({
    places: childrenAt(site, 'prefixItems') ?? [],
    rest: itemsOf(site),
  }));
  const length = Math.max(0, ...tuples.map(({ places }) => places.length));
  checkLimits(sites, count, length);
  const places = Array.from({ length }, (_, index) =>
    compiler.compile(tuples.flatMap((tuple) => tuple.places[index] ?? tuple.rest ?? [])),
  );
  // A place that no value fits ends the array before it.
  const impossible = places.indexOf(undefined);
  const whole = impossible < 0 ? places : places.slice(0, impossible);
  const rests = tuples.flatMap(({ rest }) => rest ?? []);
  const needsMore = (count.min ?? 0) > length;
  const isOpen = impossible < 0 && (length === 0 || rests.length > 0 || needsMore);
  const rest = isOpen ? compiler.compile(rests) : undefined;
  const most = Math.min(
    count.max ?? Number.POSITIVE_INFINITY,
    rest === undefined ? whole.length : Number.POSITIVE_INFINITY,
  );
  const least = count.min ?? Math.min(whole.length, most);
  if (least > most) {
    throw invalidSchema(
      count.path ?? sites[0]?.path ?? '',
      `the array needs ${least} elements, but only ${most} are allowed for`,
    );
  }
  const elements = elementsFrom(compiler, { places: whole, rest, least, most }, 0);
  return sequence(text('['), elements, text(']'));
}

interface ElementPlan {
  readonly places: readonly (Expression | undefined)[];
  readonly rest: Expression | undefined;
  readonly least: number;
  readonly most: number;
}

/** What may follow after `index` elements. */
function elementsFrom(compiler: SchemaCompiler, plan: ElementPlan, index: number): Expression {
  const { grammar, rules } = compiler;
  const { rest, least } = plan;
  const most =
    plan.most === Number.POSITIVE_INFINITY ? plan.most : Math.min(plan.most, clamp(plan));
  if (index >= most) return nothing;
  const place = plan.places[index];
  if (place !== undefined) {
    const comma = index === 0 ? nothing : rules.comma;
    const element = sequence(comma, place, elementsFrom(compiler, plan, index + 1));
    return index < least ? element : optional(element);
  }
  if (rest === undefined) return nothing;
  const next = sequence(rules.comma, rest);
  if (index > 0) return grammar.repeat(next, Math.max(0, least - index), most - index);
  const all = sequence(rest, grammar.repeat(next, Math.max(0, least - 1), most - 1));
  return least > 0 ? all : optional(all);
}

/** A bound above the limit is met by stopping earlier. */
function clamp(plan: ElementPlan): number {
  return Math.max(arrayLimits.elements, plan.least);
}

function itemsOf(site: Site): Site | undefined {
  if (!Array.isArray(keywordOf(site, 'items'))) return childAt(site, 'items');
  throw unsupportedSchema(
    pathOf(site.path, 'items'),
    'a list of schemas under items is the old way to write a tuple; use prefixItems',
  );
}

function checkLimits(sites: readonly Site[], count: CountRange, places: number): void {
  const path = count.path ?? sites[0]?.path ?? '';
  if ((count.min ?? 0) > arrayLimits.elements) {
    throw unsupportedSchema(path, `minItems above ${arrayLimits.elements} is not supported`);
  }
  if (places > arrayLimits.places) {
    throw unsupportedSchema(path, `more than ${arrayLimits.places} prefixItems are not supported`);
  }
}
