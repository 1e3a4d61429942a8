/** Strings as grammar: by length, or by one pattern or format. */
import type { Facets, StringPattern } from './facets.ts';
import { formatPatterns } from './formats.ts';
import { type Expression, type Grammar, sequence, text } from './gbnf.ts';
import type { JsonRules } from './json-text.ts';
import { grammarOfPattern, PatternError } from './pattern.ts';
import { invalidSchema, unsupportedSchema } from './schema-site.ts';

/** Most characters of a string with a bound; a higher `maxLength` is met by stopping there. */
export const maxStringLength = 10_000;

const quote = text('"');

/** Strings that satisfy `facets`. Lengths count Unicode code points, as JSON Schema does. */
export function stringGrammar(grammar: Grammar, rules: JsonRules, facets: Facets): Expression {
  const { length, patterns } = facets;
  const [pattern, second] = patterns;
  if (second !== undefined) {
    throw unsupportedSchema(second.path, 'only one pattern or format can hold at a time');
  }
  if (pattern !== undefined) {
    const content = contentOf(pattern, grammar, rules);
    const least = length.min ?? 0;
    const isImplied = least === 0 || (least === 1 && !grammar.isNullable(content));
    if (length.path !== undefined && (length.max !== undefined || !isImplied)) {
      throw unsupportedSchema(
        length.path,
        `minLength and maxLength cannot be combined with ${pattern.keyword}`,
      );
    }
    return sequence(quote, content, quote);
  }
  if (length.path === undefined) return rules.string;
  const min = length.min ?? 0;
  if (min > maxStringLength) {
    throw unsupportedSchema(length.path, `minLength above ${maxStringLength} is not supported`);
  }
  const max =
    length.max === undefined ? Number.POSITIVE_INFINITY : Math.min(length.max, maxStringLength);
  return sequence(quote, grammar.repeat(rules.character, min, max), quote);
}

function contentOf(pattern: StringPattern, grammar: Grammar, rules: JsonRules): Expression {
  const source = pattern.keyword === 'pattern' ? pattern.value : formatPatterns[pattern.value];
  if (source === undefined || (pattern.keyword === 'format' && !isKnown(pattern.value))) {
    throw unsupportedSchema(
      pattern.path,
      `the format ${JSON.stringify(pattern.value)} is not supported; supported are ` +
        Object.keys(formatPatterns).join(', '),
    );
  }
  checkSyntax(source, pattern);
  try {
    return grammarOfPattern(source, grammar, rules);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw unsupportedSchema(pattern.path, `the pattern ${error.message}`);
  }
}

function isKnown(format: string): boolean {
  return Object.hasOwn(formatPatterns, format);
}

/** What is no regular expression at all is the caller's mistake and not our limit. */
function checkSyntax(source: string, pattern: StringPattern): void {
  try {
    new RegExp(source, 'u');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidSchema(pattern.path, reason);
  }
}
