/**
 * Names of members that a schema does not declare.
 *
 * `additionalProperties` may describe any name but the declared ones, and a grammar has no "but":
 * the exception is a tree over the declared names, in which every branch that leaves the tree is
 * free from there on.
 */
import { anyCodePoint, codePointsOf, minus, union } from './code-points.ts';
import { choice, type Expression, type Grammar, nothing, sequence, text } from './gbnf.ts';
import { type JsonRules, jsonCharacter } from './json-text.ts';

interface Branch {
  /** A declared name ends here. */
  ends: boolean;
  readonly next: Map<string, Branch>;
}

/** Any JSON string, with its quotes, that is none of `names`. */
export function nameOtherThan(
  names: Iterable<string>,
  grammar: Grammar,
  rules: JsonRules,
): Expression {
  const root: Branch = { ends: false, next: new Map() };
  for (const name of names) {
    let branch = root;
    for (const letter of name) {
      const found = branch.next.get(letter) ?? { ends: false, next: new Map() };
      branch.next.set(letter, found);
      branch = found;
    }
    branch.ends = true;
  }
  const quote = text('"');
  return sequence(quote, remainder(root, grammar, rules), quote);
}

function remainder(branch: Branch, grammar: Grammar, rules: JsonRules): Expression {
  const free = grammar.repeat(rules.character, 0, Number.POSITIVE_INFINITY);
  const declared = [...branch.next].filter(([letter]) => letter.isWellFormed());
  const options = declared.map(([letter, next]) =>
    sequence(
      jsonCharacter(codePointsOf(letter)),
      grammar.add('name', remainder(next, grammar, rules)),
    ),
  );
  const letters = union(...declared.map(([letter]) => codePointsOf(letter)));
  options.push(sequence(jsonCharacter(minus(anyCodePoint, letters)), free));
  if (!branch.ends) options.push(nothing);
  return choice(...options);
}
