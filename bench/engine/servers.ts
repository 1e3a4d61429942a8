/** The servers of the engine bench, with the same model file and the same number of slots. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort, type ServerProcess, startServer } from '../measure/server-process.ts';

const repository = path.join(import.meta.dirname, '../..');
const llamaPrograms = path.join(repository, 'bench/peers/llama.cpp/out/bin');
export const modelPath = path.join(repository, 'models/pocket-r1/pocket-r1-q8_0.gguf');

/** Slots and context per slot on both sides: the model's own context. */
const slots = 32;
const contextTokens = 2048;

export interface RunningServer {
  readonly port: number;
  readonly process: ServerProcess;
}

export interface EngineServer {
  readonly name: string;
  readonly what: string;
  readonly kind: 'unbusy' | 'llama-server';
  start(): Promise<RunningServer>;
}

export const engineServers: readonly EngineServer[] = [
  {
    name: 'unbusy',
    what: '`npm start`: threads and processes as it chooses them itself',
    kind: 'unbusy',
    start: () => startUnbusy('unbusy', undefined),
  },
  ...[1, 2].map((threads) => unbusyWith(`unbusy-t${threads}`, { replicas: 1, threads })),
  ...[1, 2].map(llamaServer),
];

/** Unbusy with one embedded endpoint of these settings. */
export function unbusyWith(
  name: string,
  settings: Readonly<Record<string, number | string>>,
): EngineServer {
  return {
    name,
    what: `one embedded endpoint with ${JSON.stringify(settings)}`,
    kind: 'unbusy',
    start: () => startUnbusy(name, settings),
  };
}

export function llamaServer(threads: number): EngineServer {
  const name = `llama-server-t${threads}`;
  return {
    name,
    what: `-np ${slots} -t ${threads} -fa on`,
    kind: 'llama-server',
    start: async () => {
      const port = await freePort();
      const numbers = ['-np', slots, '-c', slots * contextTokens, '-t', threads, '-tb', threads];
      const process = await startServer({
        name,
        command: llamaProgram('llama-server'),
        args: [
          ...['-m', modelPath, ...numbers.map(String), '-fa', 'on', '--metrics', '--no-webui'],
          ...['--host', '127.0.0.1', '--port', String(port)],
        ],
        readyUrl: `http://127.0.0.1:${port}/health`,
      });
      return { port, process };
    },
  };
}

/** Path of a program that `bench/peers/llama.cpp/install.sh` built. */
export function llamaProgram(name: string): string {
  const program = path.join(llamaPrograms, name);
  if (existsSync(program)) return program;
  throw new Error(`${program} is missing: run bench/peers/llama.cpp/install.sh first`);
}

async function startUnbusy(
  name: string,
  settings: Readonly<Record<string, number | string>> | undefined,
): Promise<RunningServer> {
  const port = await freePort();
  const configured = settings === undefined ? [] : ['--config', writeConfig(name, port, settings)];
  const process = await startServer({
    name,
    command: globalThis.process.execPath,
    args: [path.join(repository, 'bin/unbusy.js'), 'serve', '--port', String(port), ...configured],
    cwd: repository,
    readyUrl: `http://127.0.0.1:${port}/v1/models`,
    readyWithinMs: 60_000,
  });
  await untilReady(`http://127.0.0.1:${port}/readyz`);
  return { port, process };
}

/** JSON is YAML. */
function writeConfig(
  name: string,
  port: number,
  settings: Readonly<Record<string, number | string>>,
): string {
  const folder = path.join(repository, 'bench/.cache');
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${name}.yaml`);
  const config = {
    server: { port },
    endpoints: { demo: { kind: 'embedded', model: 'pocket-r1', ...settings } },
  };
  writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`);
  return file;
}

/** Waits for 200 from a server that already listens; throws after a minute. */
async function untilReady(url: string): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const response = await fetch(url);
    await response.arrayBuffer();
    if (response.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${url} did not become ready within a minute`);
}
