/**
 * The gateway's end of an engine process: starts it, talks to it, starts it again when it dies.
 *
 * A crash in native code takes the process, not the gateway. Whoever listens is told of the loss and
 * answers for the requests that were in it; this file owns the process and the restarts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { assertNever, UnbusyError } from '../core/errors.ts';
import type { Clock, Timer } from '../protocol/ports.ts';
import { fromWire } from './engine-error.ts';
import { createFrameReader, encodeFrame } from './frames.ts';
import {
  type EngineModel,
  type EngineOptions,
  engineProtocolVersion,
  type FromEngine,
  type ToEngine,
} from './protocol.ts';
import { decideRestart, healthyAfterMs } from './restart.ts';

export type EngineProcessState =
  | { readonly kind: 'starting'; readonly loadedRatio: number }
  | { readonly kind: 'ready'; readonly model: EngineModel }
  /** `final`: it will not be tried again. */
  | { readonly kind: 'down'; readonly reason: string; readonly final: boolean };

/** What the process says besides its state. */
export type EngineReply = Exclude<FromEngine, { type: 'loading' | 'ready' | 'fatal' }>;

export interface EngineLoss {
  readonly reason: string;
  /** It was asked to end. */
  readonly expected: boolean;
}

export interface EngineProcessOptions {
  readonly engine: EngineOptions;
  readonly clock: Clock;
  readonly onState: (state: EngineProcessState) => void;
  readonly onReply: (reply: EngineReply) => void;
  /** The process is gone, and everything that was in it. Comes before the state changes. */
  readonly onLost: (loss: EngineLoss) => void;
}

export interface EngineProcess {
  /** Resolves when the engine is ready for the first time, rejects when it never will be. */
  start(): Promise<EngineModel>;
  readonly state: EngineProcessState;
  /** Id of the running process, for tests and people. */
  readonly pid: number | undefined;
  /** Sends to a ready engine; false where there is none. */
  send(message: Exclude<ToEngine, { type: 'init' }>): boolean;
  /** The last lines of the process's log, oldest first. */
  lastLogLines(): readonly string[];
  close(): Promise<void>;
}

const logLinesMax = 50;
const logLineCharsMax = 500;
/** Time to end by itself before it is killed. */
const closeGraceMs = 2_000;

/** A process that is started by `start` and kept running until `close`. */
export function createEngineProcess(options: EngineProcessOptions): EngineProcess {
  return new Host(options);
}

class Host implements EngineProcess {
  readonly #options: EngineProcessOptions;
  #state: EngineProcessState = { kind: 'starting', loadedRatio: 0 };
  #child: ChildProcess | undefined;
  #socket: Socket | undefined;
  #logLines: string[] = [];
  #crashes = 0;
  #wasReady = false;
  #readyAtMs = 0;
  #fatal: UnbusyError | undefined;
  #started = false;
  #closing = false;
  #restart: Timer | undefined;
  readonly #first = Promise.withResolvers<EngineModel>();

  constructor(options: EngineProcessOptions) {
    this.#options = options;
    // `start` hands the promise out; a process that is closed before must not end ours.
    this.#first.promise.catch(() => undefined);
  }

  get state(): EngineProcessState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): Promise<EngineModel> {
    if (!this.#started && !this.#closing) this.#spawn();
    this.#started = true;
    return this.#first.promise;
  }

  send(message: Exclude<ToEngine, { type: 'init' }>): boolean {
    if (this.#state.kind !== 'ready' || this.#socket === undefined) return false;
    this.#socket.write(encodeFrame(message));
    return true;
  }

  lastLogLines(): readonly string[] {
    return this.#logLines;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#restart?.cancel();
    const child = this.#child;
    if (child !== undefined) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      const kill = setTimeout(() => child.kill('SIGKILL'), closeGraceMs);
      this.#socket?.end(encodeFrame({ type: 'shutdown' } satisfies ToEngine));
      await gone;
      clearTimeout(kill);
    }
    this.#first.reject(new UnbusyError('cancelled', 'engine_closed', 'the engine was closed'));
  }

  #spawn(): void {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const entry = fileURLToPath(new URL(`./main.${extension}`, import.meta.url));
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', entry], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      // The addon computes in libuv's pool. One thread computes its calls in order, which lets a token
      // be sampled behind its decode (native-step.ts), and does not take a step from core to core:
      // with four, two compute threads measured many times slower.
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
    });
    this.#child = child;
    this.#fatal = undefined;
    this.#logLines = [];
    this.#change({ kind: 'starting', loadedRatio: 0 });
    const socket = child.stdio[3];
    if (!(socket instanceof Socket)) throw new Error('no socket to the engine process');
    this.#socket = socket;
    const reader = createFrameReader((message) => this.#receive(message as FromEngine));
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    // A broken pipe is told by `exit`, with the reason.
    socket.on('error', () => undefined);
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) => this.#log(line));
    }
    const gone = (how: string): void => {
      if (this.#child === child) this.#gone(how);
    };
    child.once('error', (error) => gone(`it could not be started: ${error.message}`));
    child.once('close', (code, signal) =>
      gone(signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`),
    );
    const init: ToEngine = {
      type: 'init',
      version: engineProtocolVersion,
      options: this.#options.engine,
    };
    socket.write(encodeFrame(init));
  }

  #receive(message: FromEngine): void {
    switch (message.type) {
      case 'loading':
        this.#change({ kind: 'starting', loadedRatio: message.ratio });
        return;
      case 'ready':
        this.#wasReady = true;
        this.#readyAtMs = this.#options.clock.now();
        this.#change({ kind: 'ready', model: message.model });
        this.#first.resolve(message.model);
        return;
      case 'fatal':
        this.#fatal = fromWire(message.error);
        return;
      case 'step':
      case 'failed':
      case 'answer':
      case 'callFailed':
        this.#options.onReply(message);
        return;
      default:
        assertNever(message);
    }
  }

  #log(line: string): void {
    this.#logLines.push(line.slice(0, logLineCharsMax));
    if (this.#logLines.length > logLinesMax) this.#logLines.shift();
  }

  /** The process has ended, by whatever cause; runs once per process. */
  #gone(how: string): void {
    this.#child = undefined;
    this.#socket = undefined;
    const { clock, onLost } = this.#options;
    const lastLine = this.#logLines.at(-1);
    const reason = `the engine process is gone: ${how}${lastLine ? ` (${lastLine})` : ''}`;
    onLost({ reason, expected: this.#closing });
    if (this.#closing) {
      this.#change({ kind: 'down', reason: 'closed', final: true });
      return;
    }
    if (this.#fatal !== undefined) {
      this.#giveUp(this.#fatal);
      return;
    }
    const wasHealthy =
      this.#state.kind === 'ready' && clock.now() - this.#readyAtMs >= healthyAfterMs;
    this.#crashes = wasHealthy ? 1 : this.#crashes + 1;
    const decision = decideRestart({ crashes: this.#crashes, wasReady: this.#wasReady });
    if (decision.kind === 'give_up') {
      this.#giveUp(new UnbusyError('internal', 'engine_crashed', reason));
      return;
    }
    this.#change({ kind: 'down', reason, final: false });
    this.#restart = clock.setTimer(decision.delayMs, () => this.#spawn());
  }

  #giveUp(error: UnbusyError): void {
    this.#change({ kind: 'down', reason: error.message, final: true });
    this.#first.reject(error);
  }

  #change(state: EngineProcessState): void {
    this.#state = state;
    this.#options.onState(state);
  }
}
