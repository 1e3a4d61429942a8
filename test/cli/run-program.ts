/** Runs a program as a user would, for tests: its output as text, its exit, what it is sent. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import path from 'node:path';

export const launcher = path.join(import.meta.dirname, '..', '..', 'bin', 'unbusy.js');

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly finished: Promise<Finished>;
  /** Resolves with all of stdout once it holds `text`; rejects if the program ends before. */
  untilOut(text: string): Promise<string>;
}

export interface RunOptions {
  readonly node?: string;
  readonly nodeFlags?: readonly string[];
  readonly script?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What is piped in; the pipe is closed after it. */
  readonly input?: string;
}

/** Starts the launcher, or `script`, with `args`. */
export function start(args: readonly string[], options: RunOptions = {}): Running {
  const { node = process.execPath, nodeFlags = [], script = launcher } = options;
  const child = spawn(node, [...nodeFlags, script, ...args], {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...options.env },
  });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    for (const listener of listeners) listener();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const finished = new Promise<Finished>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return {
    child,
    finished,
    untilOut: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!stdout.includes(text)) return;
          listeners.delete(look);
          resolve(stdout);
        };
        listeners.add(look);
        look();
        child.on('close', () => reject(new Error(`ended without "${text}": ${stdout}${stderr}`)));
      }),
  };
}

/** Runs to the end. */
export function run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return start(args, options).finished;
}
