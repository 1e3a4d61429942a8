/**
 * Regular expressions (the part of JavaScript's that a grammar can hold) as grammar for the content
 * of a JSON string.
 *
 * Supported: characters and escapes, `.`, classes and their negation, `\d \w \s`, groups, `|`,
 * `* + ? {m,n}`, and `^` and `$` at the ends of an alternative. As in JSON Schema a pattern without
 * `^` may begin anywhere, one without `$` end anywhere. Look-around, back references, `\b` and
 * `\p{…}` are refused by name.
 */
import {
  type CodePointRange,
  type CodePointSet,
  codePointsOf,
  complement,
  minus,
  surrogates,
  union,
} from './code-points.ts';
import { choice, type Expression, type Grammar, sequence } from './gbnf.ts';
import { digit, type JsonRules, jsonCharacter } from './json-text.ts';

/**
 * Bounds of one pattern. llama.cpp follows every way in which a text can still match at once, and
 * counts are what makes ways: written out (`a{20}` is 20 long) a pattern may be `length` long, and
 * counts within counts may multiply to `nestedCounts`.
 */
const patternLimits = { characters: 2000, depth: 32, length: 2000, nestedCounts: 200 } as const;

/** A part of a pattern. */
interface Piece {
  readonly expression: Expression;
  /** Characters when written out. */
  readonly length: number;
  /** Product of the counts that are nested deepest. */
  readonly counts: number;
}

/** What is wrong with a pattern, in words that complete "the pattern …". */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

const word: CodePointSet = union(digit, [[0x41, 0x5a]], [[0x5f, 0x5f]], [[0x61, 0x7a]]);
/** ECMAScript's WhiteSpace and LineTerminator. */
const space: CodePointSet = union(
  codePointsOf('\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff'),
  [[0x2000, 0x200a]],
);
const lineTerminators = codePointsOf('\n\r\u2028\u2029');

const classEscapes: Readonly<Record<string, CodePointSet>> = {
  d: digit,
  D: complement(digit),
  w: word,
  W: complement(word),
  s: space,
  S: complement(space),
};
const letterEscapes: Readonly<Record<string, number>> = {
  t: 0x09,
  n: 0x0a,
  v: 0x0b,
  f: 0x0c,
  r: 0x0d,
  '0': 0x00,
};
const syntaxCharacters = '^$\\.*+?()[]{}|/-';

/**
 * The content of a JSON string (without its quotes) that matches `pattern`. Throws `PatternError`.
 */
export function grammarOfPattern(pattern: string, grammar: Grammar, rules: JsonRules): Expression {
  if (pattern.length > patternLimits.characters) {
    throw new PatternError(`is longer than ${patternLimits.characters} characters`);
  }
  const reader = createReader(pattern);
  const options: Expression[] = [];
  let length = 0;
  const anything = (): Expression => grammar.repeat(rules.character, 0, Number.POSITIVE_INFINITY);
  do {
    const anchoredStart = reader.take('^');
    const body = readTerms(reader, grammar, 0);
    const anchoredEnd = reader.take('$');
    if (!reader.atEnd() && !reader.sees('|')) refuse(reader);
    const before = anchoredStart ? [] : [anything()];
    const after = anchoredEnd ? [] : [anything()];
    options.push(sequence(...before, body.expression, ...after));
    length += body.length;
  } while (reader.take('|'));
  if (length > patternLimits.length) {
    throw new PatternError(`is longer than ${patternLimits.length} characters when written out`);
  }
  return choice(...options);
}

interface Reader {
  atEnd(): boolean;
  sees(text: string): boolean;
  /** Steps over `text` if it comes next. */
  take(text: string): boolean;
  /** The next code point; throws at the end. */
  next(): string;
  match(expression: RegExp): RegExpExecArray | undefined;
  readonly position: number;
}

function createReader(pattern: string): Reader {
  let at = 0;
  return {
    atEnd: () => at >= pattern.length,
    sees: (text) => pattern.startsWith(text, at),
    take(text) {
      const found = pattern.startsWith(text, at);
      if (found) at += text.length;
      return found;
    },
    next() {
      const point = pattern.codePointAt(at);
      if (point === undefined) throw new PatternError('ends too early');
      const text = String.fromCodePoint(point);
      at += text.length;
      return text;
    },
    match(expression) {
      const found = expression.exec(pattern.slice(at));
      if (found === null || found.index !== 0) return undefined;
      at += found[0].length;
      return found;
    },
    get position() {
      return at;
    },
  };
}

/** Terms up to `|`, `)`, `$` or the end. */
function readTerms(reader: Reader, grammar: Grammar, depth: number): Piece {
  const terms: Piece[] = [];
  while (!reader.atEnd() && !reader.sees('|') && !reader.sees(')') && !reader.sees('$')) {
    terms.push(readTimes(reader, grammar, readAtom(reader, grammar, depth)));
  }
  return together(sequence(...terms.map(({ expression }) => expression)), terms);
}

function together(expression: Expression, pieces: readonly Piece[]): Piece {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return { expression, length, counts: Math.max(1, ...pieces.map(({ counts }) => counts)) };
}

function readAtom(reader: Reader, grammar: Grammar, depth: number): Piece {
  if (reader.sees('(')) return readGroup(reader, grammar, depth);
  return { expression: jsonCharacter(readCharacter(reader)), length: 1, counts: 1 };
}

function readCharacter(reader: Reader): CodePointSet {
  if (reader.take('[')) return readClass(reader);
  if (reader.take('.')) return complement(lineTerminators);
  if (reader.take('\\')) return readEscape(reader);
  if (reader.sees('^')) refuse(reader);
  const next = reader.next();
  if ('*+?{}]'.includes(next)) {
    throw new PatternError(`has ${JSON.stringify(next)} where nothing can be repeated or closed`);
  }
  return codePointsOf(next);
}

function readGroup(reader: Reader, grammar: Grammar, depth: number): Piece {
  if (depth >= patternLimits.depth) {
    throw new PatternError(`nests groups deeper than ${patternLimits.depth}`);
  }
  const opening = reader.match(/^\((?:\?:|\?<[A-Za-z_]\w*>|(?!\?))/);
  if (opening === undefined) refuse(reader);
  const options: Piece[] = [];
  do options.push(readTerms(reader, grammar, depth + 1));
  while (reader.take('|'));
  if (reader.sees('$')) refuse(reader);
  if (!reader.take(')')) throw new PatternError('has a group that is not closed');
  return together(choice(...options.map(({ expression }) => expression)), options);
}

/** `atom` with the quantifier behind it, if there is one. */
function readTimes(reader: Reader, grammar: Grammar, atom: Piece): Piece {
  const found = reader.match(/^(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??/);
  if (found === undefined) return atom;
  const [, sign, from, comma, to] = found;
  const infinity = Number.POSITIVE_INFINITY;
  const min = sign === undefined ? Number(from) : sign === '+' ? 1 : 0;
  const bounded = sign === undefined ? (comma === undefined ? from : to) : undefined;
  const max =
    sign === '?' ? 1 : bounded === undefined || bounded === '' ? infinity : Number(bounded);
  if (max < min) throw new PatternError(`repeats {${min},${max}}, most before least`);
  if (max > 1 && grammar.isNullable(atom.expression)) {
    throw new PatternError('repeats a group that may be empty');
  }
  const copies = Math.max(1, max === infinity ? min : max);
  const length = atom.length * copies;
  const counts = atom.counts * copies;
  if (length > patternLimits.length) {
    throw new PatternError(`is longer than ${patternLimits.length} characters when written out`);
  }
  if (atom.counts > 1 && counts > patternLimits.nestedCounts) {
    throw new PatternError(`has counts within counts that make ${counts} repetitions`);
  }
  return { expression: grammar.repeat(atom.expression, min, max), length, counts };
}

/** After `[`: the set up to its `]`. */
function readClass(reader: Reader): CodePointSet {
  const negated = reader.take('^');
  const ranges: CodePointRange[] = [];
  while (!reader.take(']')) {
    const from = readClassMember(reader);
    const isRange = reader.sees('-') && !reader.sees('-]');
    if (!isRange) {
      ranges.push(...from);
      continue;
    }
    reader.take('-');
    const [low, high] = [onlyPoint(from), onlyPoint(readClassMember(reader))];
    if (low === undefined || high === undefined || high < low) {
      throw new PatternError('has a class with a range out of order');
    }
    ranges.push([low, high]);
  }
  const members = union(ranges);
  const set = negated ? complement(members) : minus(members, surrogates);
  if (set.length === 0) throw new PatternError('has a class that no character is in');
  return set;
}

function readClassMember(reader: Reader): CodePointSet {
  if (reader.take('\\b')) return codePointsOf('\b');
  return reader.take('\\') ? readEscape(reader) : codePointsOf(reader.next());
}

function onlyPoint(set: CodePointSet): number | undefined {
  const [first, ...more] = set;
  return first !== undefined && more.length === 0 && first[0] === first[1] ? first[0] : undefined;
}

/** After `\`: the characters that the escape stands for. */
function readEscape(reader: Reader): CodePointSet {
  const coded = reader.match(/^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\})/);
  if (coded !== undefined) {
    const point = Number.parseInt(coded[1] ?? coded[2] ?? coded[3] ?? '', 16);
    const set = minus([[point, point]], surrogates);
    if (point > 0x10ffff || set.length === 0) {
      throw new PatternError('names half of a surrogate pair or no character at all');
    }
    return set;
  }
  const escaped = reader.next();
  const set = classEscapes[escaped];
  if (set !== undefined) return set;
  const point = letterEscapes[escaped];
  if (point !== undefined) return [[point, point]];
  if (syntaxCharacters.includes(escaped)) return codePointsOf(escaped);
  throw new PatternError(`uses \\${escaped}, which a grammar cannot express`);
}

function refuse(reader: Reader): never {
  const at = `at character ${reader.position + 1}`;
  if (reader.sees(')')) throw new PatternError(`closes a group that is not open ${at}`);
  if (reader.sees('(')) {
    throw new PatternError(
      `uses look-around or a group modifier ${at}, which a grammar cannot express`,
    );
  }
  throw new PatternError(`has ^ or $ ${at}; they are supported at the ends of an alternative only`);
}
