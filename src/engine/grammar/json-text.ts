/**
 * JSON's own vocabulary as grammar: strings, numbers, any value.
 *
 * Every value has one spelling here, the one that `JSON.stringify` gives it: characters are written
 * as themselves wherever JSON allows it, and at most one space follows `:` and `,`. A grammar that
 * leaves whitespace free lets a small model write nothing else for ever.
 */
import { anyCodePoint, type CodePointSet, intersect, minus, union } from './code-points.ts';
import {
  character,
  choice,
  type Expression,
  type Grammar,
  optional,
  sequence,
  text,
} from './gbnf.ts';

/** Digits before the decimal point of a number without bounds. */
export const maxDigits = 18;

export const digit: CodePointSet = [[0x30, 0x39]];
const nonZeroDigit: CodePointSet = [[0x31, 0x39]];
const controls: CodePointSet = [[0, 0x1f]];
const quoteAndBackslash: CodePointSet = [
  [0x22, 0x22],
  [0x5c, 0x5c],
];
/** The control characters that `JSON.stringify` gives a letter. */
const letterEscapes: CodePointSet = [
  [0x08, 0x0a],
  [0x0c, 0x0d],
];

/** One character out of `set` as it is spelled inside a JSON string; `set` is not empty. */
export function jsonCharacter(set: CodePointSet): Expression {
  const options: Expression[] = [];
  const plain = minus(set, union(controls, quoteAndBackslash));
  if (plain.length > 0) options.push(character(plain));
  for (const [from, to] of intersect(set, union(quoteAndBackslash, letterEscapes))) {
    for (let point = from; point <= to; point++) {
      options.push(text(JSON.stringify(String.fromCodePoint(point)).slice(1, -1)));
    }
  }
  const numbered = minus(intersect(set, controls), letterEscapes);
  for (const [high, start] of [
    ['0', 0x00],
    ['1', 0x10],
  ] as const) {
    const low = intersect(numbered, [[start, start + 15]]).flatMap(([from, to]) =>
      hexDigits(from - start, to - start),
    );
    if (low.length > 0) {
      options.push(sequence(text(`\\u00${high}`), character(union(low))));
    }
  }
  return choice(...options);
}

function hexDigits(from: number, to: number): CodePointSet {
  const points = Array.from({ length: to - from + 1 }, (_, index) =>
    (from + index).toString(16).charCodeAt(0),
  );
  return union(points.map((point) => [point, point] as const));
}

/** The rules that schemas share, each made on first use. */
export interface JsonRules {
  /** One character of a string. */
  readonly character: Expression;
  readonly string: Expression;
  readonly integer: Expression;
  readonly number: Expression;
  readonly object: Expression;
  readonly array: Expression;
  readonly any: Expression;
  /** `,` between members, with its optional space. */
  readonly comma: Expression;
  /** `:` after a name, with its optional space. */
  readonly colon: Expression;
}

/** JSON's rules within `grammar`. */
export function jsonRules(grammar: Grammar): JsonRules {
  const rules: JsonRules = {
    get character() {
      return grammar.shared('char', () => jsonCharacter(anyCodePoint));
    },
    get string() {
      return grammar.shared('string', () =>
        sequence(
          text('"'),
          grammar.repeat(rules.character, 0, Number.POSITIVE_INFINITY),
          text('"'),
        ),
      );
    },
    get integer() {
      return grammar.shared('integer', () => sequence(optional(text('-')), wholeNumber(grammar)));
    },
    get number() {
      return grammar.shared('number', () => {
        const fraction = sequence(text('.'), grammar.repeat(character(digit), 1, 17));
        const sign = optional(character(union([[0x2b, 0x2b]], [[0x2d, 0x2d]])));
        const e = character([
          [0x45, 0x45],
          [0x65, 0x65],
        ]);
        const exponent = sequence(e, sign, grammar.repeat(character(digit), 1, 2));
        return sequence(rules.integer, optional(fraction), optional(exponent));
      });
    },
    get object() {
      return grammar.shared('object', () =>
        sequence(
          text('{'),
          list(grammar, rules, sequence(rules.string, rules.colon, rules.any)),
          text('}'),
        ),
      );
    },
    get array() {
      return grammar.shared('array', () =>
        sequence(text('['), list(grammar, rules, rules.any), text(']')),
      );
    },
    get any() {
      return grammar.shared('value', () =>
        choice(
          rules.object,
          rules.array,
          rules.string,
          rules.number,
          text('true'),
          text('false'),
          text('null'),
        ),
      );
    },
    get comma() {
      return grammar.shared('comma', () => sequence(text(','), optional(text(' '))));
    },
    get colon() {
      return grammar.shared('colon', () => sequence(text(':'), optional(text(' '))));
    },
  };
  return rules;
}

/** A number of at most `maxDigits` digits, without leading zeros. */
function wholeNumber(grammar: Grammar): Expression {
  return choice(
    text('0'),
    sequence(character(nonZeroDigit), grammar.repeat(character(digit), 0, maxDigits - 1)),
  );
}

/** Any number of `member`s with commas between them. */
function list(grammar: Grammar, rules: JsonRules, member: Expression): Expression {
  const rest = grammar.repeat(sequence(rules.comma, member), 0, Number.POSITIVE_INFINITY);
  return optional(sequence(member, rest));
}
