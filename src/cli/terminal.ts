/** The terminal that a command talks to: where text goes, and whether colours are welcome there. */

export interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Results: what a pipe should receive. */
  out(text: string): void;
  /** Progress, remarks and errors. */
  err(text: string): void;
  /** Colours are welcome. */
  readonly colours: boolean;
  /** Dims text on a terminal, leaves it alone in a pipe. */
  dim(text: string): string;
  /** How the user starts this program, for lines to paste. */
  readonly invocation: Invocation;
}

export interface Invocation {
  /** `unbusy` or, in a clone, `npx unbusy`. */
  readonly command: string;
  /** What comes before the flags of serve: `unbusy serve` or `npm start --`. */
  readonly serve: string;
}

/** The terminal of a process. */
export function createTerminal(process: NodeJS.Process): Terminal {
  const { stdin, stdout, stderr, env } = process;
  const colours = stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  return {
    stdin,
    stdout,
    env,
    out: (text) => stdout.write(text),
    err: (text) => stderr.write(text),
    colours,
    dim: (text) => (colours && text !== '' ? `\u001b[2m${text}\u001b[22m` : text),
    invocation: invocationOf(env),
  };
}

function invocationOf(env: Readonly<Record<string, string | undefined>>): Invocation {
  switch (env['npm_lifecycle_event']) {
    case 'start':
      return { command: 'npx unbusy', serve: 'npm start --' };
    case 'npx':
      return { command: 'npx unbusy', serve: 'npx unbusy serve' };
    default:
      return { command: 'unbusy', serve: 'unbusy serve' };
  }
}
