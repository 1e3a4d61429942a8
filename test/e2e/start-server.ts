/**
 * The program as its user starts it, for tests: `bin/unbusy.js serve` as a process of its own, its
 * log as objects, its metrics as numbers, and the processes that its engines run in.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Finished, start } from '../cli/run-program.ts';

export interface ServerOptions {
  /** What `unbusy.yaml` says; absent: no file. */
  readonly config?: object;
  readonly flags?: readonly string[];
  /** Default: any free one. */
  readonly port?: number;
  /** False: do not wait until it can answer; `url` is then known only with a `port`. */
  readonly untilReady?: boolean;
}

export interface LogEntry {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface Server {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly log: readonly LogEntry[];
  readonly finished: Promise<Finished>;
  /** The first log entry for which `matches` holds, also one from before. */
  untilLog(matches: (entry: LogEntry) => boolean): Promise<LogEntry>;
  /** How the request with this `x-request-id` ended. */
  outcomeOf(id: string): Promise<LogEntry>;
  /** Sum of a metric's samples whose line contains all `labels` (`model="m"`). */
  metric(name: string, ...labels: string[]): Promise<number>;
  untilMetric(matches: (value: number) => boolean, ...name: [string, ...string[]]): Promise<void>;
  /** Ids of the engine processes that run now. */
  enginePids(): readonly number[];
  signal(signal: NodeJS.Signals): void;
  /** Ends it at once. */
  stop(): Promise<void>;
}

/** Long enough for a machine that does ten other things. */
const patienceMs = 60_000;
const pollMs = 20;

export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const folder = mkdtempSync(path.join(tmpdir(), 'unbusy-e2e-'));
  const flags = [...(options.flags ?? []), '--port', String(options.port ?? 0)];
  if (options.config !== undefined) {
    // JSON is YAML.
    const file = path.join(folder, 'unbusy.yaml');
    writeFileSync(file, JSON.stringify(options.config));
    flags.push('--config', file);
  }
  const running = start(['serve', '--log-format', 'json', ...flags], {
    env: { XDG_CACHE_HOME: folder },
  });
  const { child, finished } = running;
  const log: LogEntry[] = [];
  const listeners = new Set<() => void>();
  let rest = '';
  child.stdout.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) log.push(JSON.parse(line) as LogEntry);
    for (const listener of listeners) listener();
  });

  async function untilLog(matches: (entry: LogEntry) => boolean): Promise<LogEntry> {
    const { promise, resolve, reject } = Promise.withResolvers<LogEntry>();
    const look = (): void => {
      const found = log.find(matches);
      if (found !== undefined) resolve(found);
    };
    const giveUp = (why: string): void =>
      reject(new Error(`${why}, and the log was ${JSON.stringify(log.slice(-5))}`));
    const timer = setTimeout(giveUp, patienceMs, 'it never said so');
    void finished.then(({ stderr }) => giveUp(`it ended too early: ${stderr}`));
    listeners.add(look);
    look();
    try {
      return await promise;
    } finally {
      listeners.delete(look);
      clearTimeout(timer);
    }
  }

  async function metric(name: string, ...labels: string[]): Promise<number> {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    const samples = text.split('\n').filter((line) => {
      const named = line.startsWith(`${name}{`) || line.startsWith(`${name} `);
      return named && labels.every((label) => line.includes(label));
    });
    return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  const server = {
    url: `http://127.0.0.1:${options.port}`,
    log,
    finished,
    untilLog,
    outcomeOf: (id: string) => untilLog((entry) => entry.event === 'request' && entry['id'] === id),
    metric,
    async untilMetric(matches: (value: number) => boolean, ...name: [string, ...string[]]) {
      await until(async () => matches(await metric(...name)), name.join(' '));
    },
    enginePids: () => childrenOf(child.pid),
    signal(signal: NodeJS.Signals) {
      child.kill(signal);
    },
    async stop() {
      child.kill('SIGKILL');
      await finished;
      rmSync(folder, { recursive: true, force: true });
    },
  };
  if (options.untilReady !== false) {
    const ready = await untilLog(({ event }) => event === 'ready');
    server.url = String(ready['url']).replace(/\/v1$/, '');
  }
  return server;
}

/** Asks until the answer is yes; fails with `what` after a minute. */
export async function until(condition: () => boolean | Promise<boolean>, what: string) {
  const end = performance.now() + patienceMs;
  while (!(await condition())) {
    assert.ok(performance.now() < end, `never came true: ${what}`);
    await pause(pollMs);
  }
}

/** A port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

/** `ps` in the form that all Unix systems have. */
function childrenOf(parent: number | undefined): readonly number[] {
  const listed = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' });
  return listed.split('\n').flatMap((line) => {
    const [pid, ppid, ...args] = line.trim().split(/\s+/);
    return Number(ppid) === parent && args.join(' ').includes('engine') ? [Number(pid)] : [];
  });
}
