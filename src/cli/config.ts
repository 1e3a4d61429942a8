/** `unbusy config check|print|schema|diff`: what a config says, before anything is started. */
import { existsSync } from 'node:fs';
import { configJsonSchema } from '../config/json-schema.ts';
import { type Config, type LoadedConfig, loadConfig } from '../config/load.ts';
import { printable, printConfig } from '../config/print.ts';
import { UnbusyError } from '../core/errors.ts';
import { type Arguments, type Command, limitPositionals, UsageError } from './command.ts';
import { serveFlagOptions, serveFlags } from './serve-flags.ts';
import type { Terminal } from './terminal.ts';

const defaultFile = 'unbusy.yaml';

export const configCommand: Command = {
  usage: 'check|print|schema|diff [FILE] [FILE]',
  about:
    'check: every fault with its line. print: the whole config with defaults, secrets left out; ' +
    'with the flags of serve, what they amount to. schema: JSON Schema for editors. ' +
    `diff: what differs between two files, or from the defaults. FILE: ${defaultFile}.`,
  options: {
    ...serveFlagOptions,
    insecure: { type: 'boolean', about: 'Accept a public address without keys.' },
    json: { type: 'boolean', about: 'As JSON.' },
  },
  examples: [
    { line: 'unbusy config check unbusy.yaml', about: 'Exit code 2 if it is not valid.' },
    {
      line: 'unbusy config print --upstream http://my-vllm:8000/v1 > unbusy.yaml',
      about: 'A file to begin with.',
    },
  ],
  async run(args, terminal) {
    const [action, ...files] = args.positionals;
    switch (action) {
      case 'check':
        limitPositionals(args, 2);
        return check(files[0] ?? defaultFile, args, terminal);
      case 'print':
        limitPositionals(args, 2);
        return print(files[0], args, terminal);
      case 'schema':
        limitPositionals(args, 1);
        terminal.out(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
        return 0;
      case 'diff':
        limitPositionals(args, 3);
        return diff(files, args, terminal);
      default:
        throw new UsageError('usage: unbusy config check|print|schema|diff [FILE]');
    }
  },
};

function check(file: string, args: Arguments, terminal: Terminal): number {
  const asJson = args.flag('json');
  const insecure = args.flag('insecure');
  let loaded: LoadedConfig;
  try {
    loaded = loadConfig({ path: file, insecure });
  } catch (error) {
    if (!asJson || !(error instanceof UnbusyError)) throw error;
    const errors = error.message.split('\n');
    terminal.out(`${JSON.stringify({ valid: false, errors, warnings: [] })}\n`);
    return 2;
  }
  if (asJson) {
    const { warnings } = loaded;
    terminal.out(`${JSON.stringify({ valid: true, errors: [], warnings })}\n`);
    return 0;
  }
  reportWarnings(loaded, terminal);
  const counts = [
    countText(Object.keys(loaded.config.endpoints).length, 'endpoint'),
    countText(loaded.config.keys.length, 'key'),
  ];
  terminal.out(`${file} is valid: ${counts.join(', ')}\n`);
  return 0;
}

function print(file: string | undefined, args: Arguments, terminal: Terminal): number {
  const flags = serveFlags(args);
  const hasFlags = Object.keys(flags).length > 0;
  // Without a file and without flags the file at hand is meant, if there is one.
  const path = file ?? (!hasFlags && existsSync(defaultFile) ? defaultFile : undefined);
  const loaded = loadConfig({ path, flags, insecure: true });
  reportWarnings(loaded, terminal);
  const { config } = loaded;
  terminal.out(
    args.flag('json') ? `${JSON.stringify(printable(config), null, 2)}\n` : printConfig(config),
  );
  return 0;
}

function diff(files: readonly string[], args: Arguments, terminal: Terminal): number {
  const [first = defaultFile, second] = files;
  const load = (path?: string): Config => loadConfig({ path, insecure: true }).config;
  const changes =
    second === undefined ? changesOf(load(), load(first)) : changesOf(load(first), load(second));
  if (args.flag('json')) {
    terminal.out(`${JSON.stringify(changes)}\n`);
    return 0;
  }
  for (const { line, sign } of changes) terminal.out(`${sign} ${line}\n`);
  if (changes.length === 0) terminal.err('no difference\n');
  return 0;
}

interface Change {
  readonly sign: '-' | '+';
  /** `server.port: 6710` */
  readonly line: string;
}

/** The settings that one config has and the other has not, in the order of the file. */
function changesOf(before: Config, after: Config): Change[] {
  const [old, now] = [settingsOf(before), settingsOf(after)];
  const keys = [...new Set([...old.keys(), ...now.keys()])];
  return keys.flatMap((key): Change[] => {
    const [was, is] = [old.get(key), now.get(key)];
    if (was === is) return [];
    return [
      ...(was === undefined ? [] : [{ sign: '-', line: `${key}: ${was}` } as const]),
      ...(is === undefined ? [] : [{ sign: '+', line: `${key}: ${is}` } as const]),
    ];
  });
}

/** Path → value of every setting that is not a block. */
function settingsOf(config: Config): Map<string, string> {
  const settings = new Map<string, string>();
  const walk = (value: unknown, path: string): void => {
    if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
      const entries = Object.entries(value);
      const step = Array.isArray(value) ? (key: string) => `[${key}]` : (key: string) => `.${key}`;
      for (const [key, item] of entries) walk(item, path === '' ? key : `${path}${step(key)}`);
    } else {
      settings.set(path, JSON.stringify(value));
    }
  };
  walk(printable(config), '');
  return settings;
}

function reportWarnings({ warnings }: LoadedConfig, terminal: Terminal): void {
  for (const warning of warnings) terminal.err(`warning: ${warning}\n`);
}

function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
