/**
 * A program that a bench starts, pins to cores and ends by its process id.
 *
 * The child leads a process group of its own, so that ending it takes its children along and
 * nothing else. Whatever happens in the bench, `exit` ends what is still running. What it prints
 * goes to a file, so that a talkative program does not cost the bench CPU time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, cpuSecondsByRole, residentKiB } from './process-usage.ts';

export interface ServerOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Core list for `taskset`, such as `0`; absent: any. */
  readonly cores?: string | undefined;
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Answers below 500 when the program is ready. */
  readonly readyUrl?: string | undefined;
  readonly readyWithinMs?: number | undefined;
}

export interface ServerProcess {
  readonly name: string;
  readonly pid: number;
  cpuSeconds(): number;
  /** Seconds of CPU of the process itself and of those that it started. */
  cpuSecondsByRole(): { readonly main: number; readonly children: number };
  residentKiB(): number;
  /** The last lines that it printed. */
  log(): string;
  stop(): Promise<void>;
}

const logCharactersMax = 20_000;
const running = new Set<ChildProcess>();
const logFolder = mkdtempSync(path.join(os.tmpdir(), 'unbusy-bench-log-'));

process.on('exit', () => {
  for (const child of running) signalGroup(child, 'SIGKILL');
  rmSync(logFolder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

/** Starts the program and waits until it is ready. Throws with its last lines when it is not. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const pinned = options.cores === undefined ? [] : ['taskset', '-c', options.cores];
  const [command = '', ...args] = [...pinned, options.command, ...options.args];
  const logFile = path.join(logFolder, options.name);
  const logFd = openSync(logFile, 'w');
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', logFd, logFd],
    detached: true,
  });
  closeSync(logFd);
  let spawnError = '';
  child.on('error', (error) => {
    spawnError = String(error);
  });
  const log = (): string => readFileSync(logFile, 'utf8').slice(-logCharactersMax) + spawnError;
  running.add(child);
  child.on('exit', () => running.delete(child));
  const server: ServerProcess = {
    name: options.name,
    pid: child.pid ?? 0,
    cpuSeconds: () => cpuSeconds(child.pid ?? 0),
    cpuSecondsByRole: () => cpuSecondsByRole(child.pid ?? 0),
    residentKiB: () => residentKiB(child.pid ?? 0),
    log,
    stop: () => stop(child),
  };
  if (options.readyUrl === undefined) return server;
  const deadline = Date.now() + (options.readyWithinMs ?? 30_000);
  while (!(await answers(options.readyUrl))) {
    if (child.exitCode !== null || child.pid === undefined || Date.now() > deadline) {
      await server.stop();
      throw new Error(
        `${options.name} did not become ready. Its last lines:\n${log().slice(-3000)}`,
      );
    }
    await sleep(50);
  }
  return server;
}

/** A port of 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was assigned');
  return address.port;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, 'exit');
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    signalGroup(child, signal);
    const ended = await Promise.race([exited.then(() => true), sleep(5000, false)]);
    if (ended) break;
  }
  signalGroup(child, 'SIGKILL');
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: 2000 }, (response) => {
      response.resume();
      resolve((response.statusCode ?? 500) < 500);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
