/** What a command of the command line is made of, and how its arguments and help are read. */
import { parseArgs } from 'node:util';
import { nearest } from '../config/nearest.ts';
import type { Terminal } from './terminal.ts';

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** Name of the value in help: `URL`. */
  readonly value?: string;
  readonly about: string;
}

export interface Example {
  readonly line: string;
  readonly about: string;
}

export interface Arguments {
  readonly positionals: readonly string[];
  /** The value of a string option, its last one if it was given more than once. */
  text(name: string): string | undefined;
  /** All values of an option that may be repeated. */
  texts(name: string): readonly string[];
  flag(name: string): boolean;
}

export interface Command {
  /** After the command's name: `[FILE]`. */
  readonly usage: string;
  /** One to three sentences under the usage line. */
  readonly about: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly examples: readonly Example[];
  /** @returns the exit code: 0 ok, 1 failed, 2 bad usage. */
  run(args: Arguments, terminal: Terminal): Promise<number>;
}

/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Reads `argv` by the options of a command. @throws UsageError naming the option at fault. */
export function readArguments(argv: readonly string[], command: Command): Arguments {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short === undefined ? {} : { short }), multiple: multiple === true },
    ]),
  );
  const { values, positionals } = parse(argv, options);
  const textsOf = (name: string): string[] => {
    const value = values[name];
    const all = Array.isArray(value) ? value : [value];
    return all.filter((item): item is string => typeof item === 'string');
  };
  return {
    positionals,
    text: (name) => textsOf(name).at(-1),
    texts: textsOf,
    flag: (name) => values[name] === true,
  };
}

function parse(argv: readonly string[], options: NonNullable<ParseConfig['options']>) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const unknown = /Unknown option '(-+)([^']*)'/.exec(error.message);
    if (unknown === null) throw new UsageError(error.message.replace(/\. To specify.*$/s, ''));
    const close = nearest(unknown[2] ?? '', Object.keys(options));
    const hint = close === undefined ? '' : `; did you mean --${close}?`;
    throw new UsageError(`unknown option ${unknown[1]}${unknown[2]}${hint}`);
  }
}

type ParseConfig = NonNullable<Parameters<typeof parseArgs>[0]>;

/** At most `max` positional arguments. @throws UsageError naming the first that is too many. */
export function limitPositionals(args: Arguments, max: number): void {
  const extra = args.positionals[max];
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"`);
}

/** The text of `unbusy NAME --help`, within 80 columns. */
export function commandHelp(name: string, command: Command): string {
  const usage = `Usage: unbusy ${name}${command.usage === '' ? '' : ` ${command.usage}`}`;
  const options = Object.entries({ ...command.options, help: helpOption }).map(
    ([option, spec]): [string, string] => [optionForm(option, spec), spec.about],
  );
  const examples = command.examples.map(({ line, about }) => `  ${line}\n      ${about}`);
  return [
    usage,
    wrap(command.about, 0),
    `Options:\n${twoColumns(options)}`,
    `Examples:\n${examples.join('\n')}`,
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

const helpOption: OptionSpec = { type: 'boolean', short: 'h', about: 'Show this help.' };

function optionForm(name: string, { short, value }: OptionSpec): string {
  const long = value === undefined ? `--${name}` : `--${name} ${value}`;
  return short === undefined ? long : `-${short}, ${long}`;
}

/** Lines of name and explanation; explanations are wrapped and aligned. */
export function twoColumns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.min(26, Math.max(...rows.map(([left]) => left.length)) + 2);
  return rows
    .map(([left, right]) => {
      const text = wrap(right, width + 2);
      const fits = left.length < width;
      return fits ? `  ${left.padEnd(width)}${text}` : `  ${left}\n${' '.repeat(width + 2)}${text}`;
    })
    .join('\n');
}

/** Breaks `text` into lines of at most 80 columns; all but the first are indented. */
export function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && indent + line.length + 1 + word.length > 80) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
}
