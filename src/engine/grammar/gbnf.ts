/**
 * Grammars for llama.cpp: expressions, and the rules that they are written down as (GBNF).
 *
 * A grammar is a small tree language of its own here, so that escaping, llama.cpp's limits on
 * repetition and its dislike of left recursion are dealt with in one place. Syntax and limits:
 * grammars/README.md and src/llama-grammar.cpp of llama.cpp.
 */
import { UnbusyError } from '../../core/errors.ts';
import { type CodePointSet, contains } from './code-points.ts';

export type Expression =
  | { readonly kind: 'text'; readonly text: string }
  /** One character out of a set. */
  | { readonly kind: 'character'; readonly set: CodePointSet }
  | { readonly kind: 'rule'; readonly name: string }
  | { readonly kind: 'sequence'; readonly parts: readonly Expression[] }
  | { readonly kind: 'choice'; readonly options: readonly Expression[] }
  /** `max` Infinity: no bound. `of` is a rule or a single character. */
  | {
      readonly kind: 'repeat';
      readonly of: Expression;
      readonly min: number;
      readonly max: number;
    };

export const nothing: Expression = { kind: 'text', text: '' };

export function text(value: string): Expression {
  return { kind: 'text', text: value };
}

export function character(set: CodePointSet): Expression {
  return { kind: 'character', set };
}

export function sequence(...parts: readonly Expression[]): Expression {
  const flat = parts.flatMap((part) => (part.kind === 'sequence' ? part.parts : [part]));
  const solid = flat.filter((part) => part.kind !== 'text' || part.text !== '');
  const [only] = solid;
  if (solid.length === 1 && only !== undefined) return only;
  return solid.length === 0 ? nothing : { kind: 'sequence', parts: solid };
}

export function choice(...options: readonly Expression[]): Expression {
  const flat = options.flatMap((option) => (option.kind === 'choice' ? option.options : [option]));
  const solid = flat.filter((option) => !isEmptyText(option));
  if (solid.length < flat.length) solid.push(nothing);
  const [only] = solid;
  return solid.length === 1 && only !== undefined ? only : { kind: 'choice', options: solid };
}

export function optional(of: Expression): Expression {
  return choice(of, nothing);
}

/** Bounds of one grammar; over them a schema is refused rather than served slowly. */
export const grammarLimits = { rules: 4000, characters: 400_000 } as const;

/** Longest run that llama.cpp is given to write out; it refuses over 2000. */
const longestRun = 1000;

export interface Grammar {
  /** Names `expression` and returns a reference to it. */
  add(hint: string, expression: Expression): Expression;
  /** A name for a rule that is defined later, because it may refer to itself. */
  reserve(hint: string): { readonly reference: Expression; define(expression: Expression): void };
  /** The rule `name`, made on first use. */
  shared(name: string, make: () => Expression): Expression;
  /** `of` between `min` and `max` times. */
  repeat(of: Expression, min: number, max: number): Expression;
  /** `of` may be no text at all. */
  isNullable(of: Expression): boolean;
  /**
   * The grammar as text. Throws `unsupported_schema` if it is over `grammarLimits` and
   * `invalid_request` if `root` can never be complete.
   */
  write(root: Expression): string;
}

/** A new grammar; `param` names the schema in errors. */
export function createGrammar(param: string): Grammar {
  const rules = new Map<string, Expression>();

  /** Numbered, so that no schema's name for a thing can collide with a shared rule's. */
  const newName = (hint: string): string => {
    const base = hint
      .replaceAll(/[^A-Za-z0-9]+/g, '-')
      .replace(/^-/, '')
      .slice(0, 40);
    return `${base === '' ? 'rule' : base}-${rules.size}`.replace('--', '-');
  };
  const reserve: Grammar['reserve'] = (hint) => {
    if (rules.size >= grammarLimits.rules) throw tooLarge(param);
    const name = newName(hint);
    rules.set(name, nothing);
    return {
      reference: { kind: 'rule', name },
      define: (expression) => void rules.set(name, expression),
    };
  };
  const add: Grammar['add'] = (hint, expression) => {
    if (expression.kind === 'rule') return expression;
    const { reference, define } = reserve(hint);
    define(expression);
    return reference;
  };
  const shared: Grammar['shared'] = (name, make) => {
    if (!rules.has(name)) {
      rules.set(name, nothing);
      rules.set(name, make());
    }
    return { kind: 'rule', name };
  };

  const repeat: Grammar['repeat'] = (of, min, max) => {
    if (max === 0) return nothing;
    if (min === 1 && max === 1) return of;
    if (min === 0 && max === 1) return optional(of);
    const unit = of.kind === 'character' ? of : add('item', of);
    if (min > longestRun) {
      const run = add('run', { kind: 'repeat', of: unit, min: longestRun, max: longestRun });
      return sequence(run, repeat(unit, min - longestRun, max - longestRun));
    }
    if (max === Number.POSITIVE_INFINITY || max <= longestRun) {
      return { kind: 'repeat', of: unit, min, max };
    }
    const run = add('run', { kind: 'repeat', of: unit, min: longestRun, max: longestRun });
    const longer = sequence(run, repeat(unit, 0, max - longestRun));
    return choice({ kind: 'repeat', of: unit, min, max: longestRun - 1 }, add('longer', longer));
  };

  const nullableRules = (): ReadonlySet<string> =>
    closure(rules, (expression, known) => matches(expression, known, isEmptyText));

  return {
    add,
    reserve,
    shared,
    repeat,
    isNullable: (of) => matches(of, nullableRules(), isEmptyText),
    write(root) {
      const ending = closure(rules, (expression, known) => matches(expression, known, () => true));
      if (!matches(root, ending, () => true)) throw endless(param);
      const lines = [`root ::= ${write(root, 'choice')}`];
      for (const [name, expression] of rules) {
        lines.push(`${name} ::= ${write(expression, 'choice')}`);
      }
      const grammar = `${lines.join('\n')}\n`;
      if (grammar.length > grammarLimits.characters) throw tooLarge(param);
      return grammar;
    },
  };
}

/** The rules for which `holds` is true, given the rules for which it is: the least fixed point. */
function closure(
  rules: ReadonlyMap<string, Expression>,
  holds: (expression: Expression, known: ReadonlySet<string>) => boolean,
): ReadonlySet<string> {
  const known = new Set<string>();
  for (let size = -1; size !== known.size; ) {
    size = known.size;
    for (const [name, expression] of rules) {
      if (!known.has(name) && holds(expression, known)) known.add(name);
    }
  }
  return known;
}

/** Whether some way through `expression` uses only terminals that pass and rules that are known. */
function matches(
  expression: Expression,
  known: ReadonlySet<string>,
  terminal: (expression: Expression) => boolean,
): boolean {
  switch (expression.kind) {
    case 'text':
    case 'character':
      return terminal(expression);
    case 'rule':
      return known.has(expression.name);
    case 'sequence':
      return expression.parts.every((part) => matches(part, known, terminal));
    case 'choice':
      return expression.options.some((option) => matches(option, known, terminal));
    case 'repeat':
      return expression.min === 0 || matches(expression.of, known, terminal);
  }
}

function isEmptyText(expression: Expression): boolean {
  return expression.kind === 'text' && expression.text === '';
}

/** How tightly an expression's surroundings bind it: inside a sequence a choice needs brackets. */
type Place = 'choice' | 'sequence' | 'repeat';

function write(expression: Expression, place: Place): string {
  switch (expression.kind) {
    case 'text':
      return `"${Array.from(expression.text, escapeInText).join('')}"`;
    case 'character':
      return writeSet(expression.set);
    case 'rule':
      return expression.name;
    case 'sequence': {
      const parts = expression.parts.map((part) => write(part, 'sequence')).join(' ');
      return place === 'repeat' ? `(${parts})` : parts;
    }
    case 'choice': {
      const solid = expression.options.filter((option) => !isEmptyText(option));
      const options = solid.map((option) => write(option, 'choice')).join(' | ');
      const [only] = solid;
      if (solid.length < expression.options.length) {
        const atom = solid.length === 1 && only !== undefined && isAtom(only);
        return atom ? `${options}?` : `(${options})?`;
      }
      return place === 'choice' ? options : `(${options})`;
    }
    case 'repeat':
      return write(expression.of, 'repeat') + writeTimes(expression.min, expression.max);
  }
}

function isAtom(expression: Expression): boolean {
  return expression.kind === 'rule' || expression.kind === 'character';
}

function writeTimes(min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`;
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

function writeSet(set: CodePointSet): string {
  const ranges = set.map(([from, to]) =>
    from === to ? escapeInSet(from) : `${escapeInSet(from)}-${escapeInSet(to)}`,
  );
  return `[${ranges.join('')}]`;
}

/** Letters and digits stand for themselves; everything else is written as a number. */
function escapeInSet(point: number): string {
  if (contains(plainInSet, point)) return String.fromCodePoint(point);
  return escapeNumber(point);
}

const plainInSet: CodePointSet = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x61, 0x7a],
];

function escapeInText(value: string): string {
  if (value === '"' || value === '\\') return `\\${value}`;
  const point = value.codePointAt(0) ?? 0;
  return point < 0x20 || point === 0x7f ? escapeNumber(point) : value;
}

function escapeNumber(point: number): string {
  const hex = point.toString(16).toUpperCase();
  if (point <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return point <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

function tooLarge(param: string): UnbusyError {
  return new UnbusyError(
    'invalid_request',
    'unsupported_schema',
    `the schema is too large: its grammar would have over ${grammarLimits.rules} rules or ${grammarLimits.characters} characters`,
    { param },
  );
}

function endless(param: string): UnbusyError {
  return new UnbusyError(
    'invalid_request',
    'invalid_schema',
    'the schema can never be satisfied: every value that it describes contains another one of its kind without end',
    { param },
  );
}
