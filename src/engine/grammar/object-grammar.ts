/**
 * Objects as grammar: members in declared order, each there or not, and then others.
 *
 * With n members there are 2ⁿ ways to leave some out, but only two situations between them: nothing
 * was written yet (no comma before the next), or something was. Each situation at each member is
 * one rule, so the grammar stays linear.
 */
import { choice, type Expression, nothing, optional, sequence, text } from './gbnf.ts';
import type { SchemaCompiler } from './json-schema.ts';
import { nameOtherThan } from './member-names.ts';
import {
  childAt,
  invalidSchema,
  isRecord,
  keywordOf,
  nameOf,
  pathOf,
  type Site,
  siteOf,
  unsupportedSchema,
} from './schema-site.ts';

/** Declared names beside additional ones, characters of all together: each becomes a rule. */
const maxNameLetters = 3000;

interface Member {
  /** Name, colon and value. */
  readonly expression: Expression;
  readonly required: boolean;
}

/** Objects that satisfy `sites`. */
export function objectGrammar(compiler: SchemaCompiler, sites: readonly Site[]): Expression {
  const { grammar, rules } = compiler;
  const declared = sites.map((site) => ({ site, properties: propertiesOf(site) }));
  const required = requiredOf(sites);
  const others = sites.flatMap((site) => childAt(site, 'additionalProperties') ?? []);
  const names = new Set(declared.flatMap(({ properties }) => [...properties.keys()]));
  const isOpen = others.length > 0 || names.size === 0;
  if (names.size === 0 && required.size === 0 && others.length === 0) return rules.object;

  for (const name of required.keys()) names.add(name);
  const members: Member[] = [];
  for (const name of names) {
    const value = compiler.compile(
      declared.flatMap(({ site, properties }) => {
        return properties.get(name) ?? childAt(site, 'additionalProperties') ?? [];
      }),
    );
    const path = required.get(name);
    if (value === undefined && path !== undefined) {
      throw invalidSchema(
        path,
        `${JSON.stringify(name)} is required, but no value is allowed for it`,
      );
    }
    if (value === undefined) continue;
    const expression = sequence(text(JSON.stringify(name)), rules.colon, value);
    members.push({ expression, required: path !== undefined });
  }
  const other = isOpen ? compiler.compile(others) : undefined;
  if (other !== undefined) checkNames(names, sites);
  const additional = other && sequence(nameOtherThan(names, grammar, rules), rules.colon, other);
  return sequence(text('{'), inOrder(compiler, members, additional), text('}'));
}

function inOrder(
  { grammar, rules }: SchemaCompiler,
  members: readonly Member[],
  additional: Expression | undefined,
): Expression {
  const other = additional && grammar.add('additional', additional);
  /** What may follow once something was written, from each member on. */
  let after: Expression =
    other === undefined
      ? nothing
      : grammar.repeat(sequence(rules.comma, other), 0, Number.POSITIVE_INFINITY);
  /** The same while nothing was written yet. */
  let first = other === undefined ? nothing : optional(sequence(other, after));
  for (const { expression, required } of members.toReversed()) {
    const member = grammar.add('member', expression);
    const rest = after === nothing ? nothing : grammar.add('members', after);
    const begun = sequence(member, rest);
    first = required ? begun : choice(begun, first);
    const next = sequence(rules.comma, member);
    after = sequence(required ? next : optional(next), rest);
  }
  return first;
}

function checkNames(names: ReadonlySet<string>, sites: readonly Site[]): void {
  const letters = [...names].reduce((sum, name) => sum + name.length, 0);
  if (letters <= maxNameLetters) return;
  throw unsupportedSchema(
    sites[0]?.path ?? '',
    `additionalProperties beside names of ${letters} characters together; at most ${maxNameLetters}`,
  );
}

/** The schemas of declared members; a map, because names come from callers. */
function propertiesOf(site: Site): ReadonlyMap<string, Site> {
  const properties = keywordOf(site, 'properties') ?? {};
  const path = pathOf(site.path, 'properties');
  if (!isRecord(properties)) {
    throw invalidSchema(path, `properties must be an object, not ${nameOf(properties)}`);
  }
  return new Map(
    Object.entries(properties).map(([name, schema]) => [name, siteOf(schema, pathOf(path, name))]),
  );
}

/** Required names, each with the place that asks for it. */
function requiredOf(sites: readonly Site[]): ReadonlyMap<string, string> {
  const required = new Map<string, string>();
  for (const site of sites) {
    const names = keywordOf(site, 'required') ?? [];
    const path = pathOf(site.path, 'required');
    if (!Array.isArray(names)) {
      throw invalidSchema(path, `required must be a list of names, not ${nameOf(names)}`);
    }
    names.forEach((name: unknown, index) => {
      if (typeof name !== 'string') {
        throw invalidSchema(pathOf(path, index), `a name must be a string, not ${nameOf(name)}`);
      }
      required.set(name, pathOf(path, index));
    });
  }
  return required;
}
