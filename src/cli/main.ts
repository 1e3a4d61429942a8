/**
 * The command line: which commands there are, and how each ends.
 *
 * Results go to stdout, everything else to stderr. Exit codes: 0 ok, 1 failed, 2 bad usage. An
 * error is one clear line without a stack trace; UNBUSY_DEBUG=1 adds the trace.
 */

import { nearest } from '../config/nearest.ts';
import { toUnbusyError } from '../core/errors.ts';
import { type Command, commandHelp, readArguments, twoColumns, UsageError } from './command.ts';
import { createTerminal, type Terminal } from './terminal.ts';
import { version } from './version.ts';

interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** Commands are loaded when they are called, so that `help` does not wait for an engine. */
export const commands: Readonly<Record<string, CommandEntry>> = {
  serve: {
    summary: 'Start the server: with nothing else, a demonstration model.',
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  chat: {
    summary: 'Talk to a model in the terminal.',
    load: async () => (await import('./chat.ts')).chatCommand,
  },
  config: {
    summary: 'Check, print or compare configs.',
    load: async () => (await import('./config.ts')).configCommand,
  },
  key: {
    summary: "Make a key for the server's callers.",
    load: async () => (await import('./key.ts')).keyCommand,
  },
  explain: {
    summary: 'Say what an error code means and what to do.',
    load: async () => (await import('./explain.ts')).explainCommand,
  },
  version: {
    summary: 'Show the version.',
    load: async () => (await import('./version.ts')).versionCommand,
  },
};

/** Runs one command line. @returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const terminal = createTerminal(process);
  // A reader that has enough (`unbusy help | head -1`) is not an error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  try {
    return await dispatch(argv, terminal);
  } catch (thrown) {
    return report(thrown, terminal);
  }
}

async function dispatch(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    return help(rest[0], terminal);
  }
  const wanted = name === '--version' || name === '-v' ? 'version' : name;
  const command = await entryOf(wanted).load();
  if (asksForHelp(rest)) {
    terminal.out(commandHelp(wanted, command));
    return 0;
  }
  return await command.run(readArguments(rest, command), terminal);
}

/** `--` ends the options: what comes after it is text. */
function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  const options = end === -1 ? argv : argv.slice(0, end);
  return options.includes('--help') || options.includes('-h');
}

function entryOf(name: string): CommandEntry {
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (entry !== undefined) return entry;
  const close = nearest(name, [...Object.keys(commands), 'help']);
  const hint = close === undefined ? '`unbusy help` lists them' : `did you mean "${close}"?`;
  const what = name.startsWith('-') ? 'option' : 'command';
  throw new UsageError(`there is no ${what} "${name}"; ${hint}`);
}

async function help(name: string | undefined, terminal: Terminal): Promise<number> {
  terminal.out(
    name === undefined || name === 'help'
      ? overview()
      : commandHelp(name, await entryOf(name).load()),
  );
  return 0;
}

function overview(): string {
  const rows = Object.entries(commands).map(([name, { summary }]): [string, string] => [
    name,
    summary,
  ]);
  return `unbusy ${version}: run your own DeepSeek-R1 and never be told "server busy"

Usage: unbusy COMMAND [OPTIONS]

Commands:
${twoColumns([...rows, ['help [COMMAND]', 'Show this, or how to use a command.']])}

Examples:
  unbusy serve
      An OpenAI-compatible server with a demonstration model on port 6710.
  unbusy serve --upstream http://my-vllm:8000/v1
      The same in front of an engine that is already running.
`;
}

/**
 * One line per error; usage errors exit with 2, as do configs that cannot be meant. Config errors
 * begin with `file:line:column:`, which editors follow, so nothing is put before them.
 */
function report(thrown: unknown, terminal: Terminal): number {
  if (terminal.env['UNBUSY_DEBUG'] === '1' && thrown instanceof Error) {
    terminal.err(`${thrown.stack ?? ''}\n`);
  }
  if (thrown instanceof UsageError) {
    terminal.err(`unbusy: ${thrown.message}\n`);
    return 2;
  }
  const error = toUnbusyError(thrown);
  if (error.code === 'invalid_config') {
    terminal.err(`${error.message}\n`);
    return 2;
  }
  terminal.err(`unbusy: ${error.message}\n`);
  return 1;
}
