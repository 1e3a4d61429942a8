/**
 * Continuous batching: the loop that decides at every step who computes what.
 *
 * One pass: let leavers go, give waiting sequences a slot, compute some prompt tokens, decode one
 * token for everyone who is generating, sample. Requests join and leave between passes. What a pass
 * decides by stands in `policy/batching`; here it is carried out.
 *
 *     admit ─► prefill chunk(s) ─► decode all together ─► sample ─► close gaps ─┐
 *       ▲           (the text of earlier tokens is told while decodes run)      │
 *       └───────────────────────────────────────────────────────────────────────┘
 *
 * The loop owns the native context: nothing else may call it, and it calls it between decodes only.
 */
import { toUnbusyError, UnbusyError } from '../core/errors.ts';
import { planPrefill } from '../policy/batching/prefill-chunks.ts';
import { decideWaveStart } from '../policy/batching/wave-start.ts';
import type { TokenLogprob } from '../protocol/generation.ts';
import { echoEvent } from './echo.ts';
import type { LoadedModel } from './loaded-model.ts';
import { tokenLogprob } from './logprobs.ts';
import type { NativeContext } from './native.ts';
import { createNativeStep, type PromptLogits, type StepMeter } from './native-step.ts';
import { createOutbox } from './outbox.ts';
import type { EngineBatching, EngineRequest, EngineStep } from './protocol.ts';
import { openRequest } from './requests.ts';
import type { RunningRequest } from './running-request.ts';
import type { Sequence } from './sequence.ts';
import type { SlotTable } from './slot-table.ts';

export interface StepLoopOptions {
  readonly model: LoadedModel;
  readonly context: NativeContext;
  readonly table: SlotTable;
  readonly batching: EngineBatching;
  readonly contextTokens: number;
  /** Most tokens in one decode call. */
  readonly batchTokens: number;
  /** Measured at start; adapted while serving. */
  readonly prefillTokensPerMs: number;
  /** Time of copying one slot, ms. */
  readonly copyMs: number;
  readonly onStep: (step: EngineStep) => void;
  readonly onFailed: (id: string, error: UnbusyError) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly randomSeed: () => number;
}

export interface StepLoop {
  /** Queues a request. What is wrong with it is told through `onFailed`, before this returns. */
  submit(request: EngineRequest): void;
  /** Lets a request go: nothing more is told of it and its slots are free after the step. */
  abort(id: string): void;
  /** Ends after the current pass. Requests still open are dropped. */
  stop(): Promise<void>;
}

/** Prompt tokens per call of an exact prefill: short enough for a step, long enough to be quick. */
export const exactChunkTokens = 128;

/** Chunk of a prompt whose every position's logits are wanted: each takes a vocabulary of floats. */
const promptLogitsChunkTokens = 64;

/** Sequences that may wait for a slot. The queue that callers see is the gateway's, not this one. */
const waitingMax = 4096;

/** Weight of the latest measurement in the running means of speeds. */
const smoothing = 0.2;

/** A loop over an empty slot table. Runs until `stop`. */
export function createStepLoop(options: StepLoopOptions): StepLoop {
  const loop = new Loop(options);
  const running = loop.run();
  return {
    submit: (request) => loop.submit(request),
    abort: (id) => loop.abort(id),
    stop: () => {
      loop.stop();
      return running;
    },
  };
}

class Loop {
  readonly #options: StepLoopOptions;
  readonly #requests = new Map<string, RunningRequest>();
  /** Without a slot, in order of arrival. */
  #waiting: Sequence[] = [];
  /** With a slot, in order of admission. */
  #active: Sequence[] = [];
  readonly #meter: StepMeter = emptyMeter();
  readonly #outbox;
  readonly #native;
  /** Log probabilities of prompts that are computed for `echo`. */
  readonly #promptLogprobs = new WeakMap<Sequence, (TokenLogprob | undefined)[]>();
  #prefillTokensPerMs: number;
  #decodeMs = 0;
  #stopped = false;
  #wake: () => void = () => undefined;

  constructor(options: StepLoopOptions) {
    this.#options = options;
    this.#prefillTokensPerMs = options.prefillTokensPerMs;
    this.#outbox = createOutbox({
      send: options.onStep,
      onFinished: (request) => this.#requests.delete(request.request.id),
    });
    this.#native = createNativeStep({
      model: options.model,
      context: options.context,
      outbox: this.#outbox,
      meter: this.#meter,
      whileDecoding: () => this.#flush(),
      onFailed: (sequence, thrown) => this.#fail([sequence], thrown),
      now: options.now,
    });
  }

  submit(request: EngineRequest): void {
    const { model, contextTokens, now, randomSeed, onFailed } = this.#options;
    try {
      if (this.#waiting.length >= waitingMax) throw overloaded(this.#waiting.length);
      const running = openRequest(request, {
        model,
        contextTokens,
        nowMs: now(),
        randomSeed: randomSeed(),
      });
      this.#requests.set(request.id, running);
      this.#waiting.push(...running.sequences);
      this.#wake();
    } catch (thrown) {
      onFailed(request.id, toUnbusyError(thrown));
    }
  }

  abort(id: string): void {
    const request = this.#requests.get(id);
    if (request === undefined) return;
    request.closed = true;
    this.#requests.delete(id);
    this.#wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      this.#letGo();
      const untilMs = await this.#admit();
      if (this.#active.length > 0) {
        await this.#pass();
        continue;
      }
      this.#flush();
      if (this.#requests.size === 0 || untilMs !== undefined) await this.#sleep(untilMs);
    }
    for (const sequence of [...this.#active, ...this.#waiting]) sequence.dispose();
  }

  /** Frees the slots of sequences that have ended or whose caller has left. */
  #letGo(): void {
    const gone = (sequence: Sequence): boolean =>
      sequence.ended !== undefined || sequence.owner.closed;
    for (const sequence of this.#active) {
      if (!gone(sequence)) continue;
      if (sequence.slot !== undefined) this.#options.table.release(sequence.slot);
      sequence.dispose();
    }
    this.#active = this.#active.filter((sequence) => !gone(sequence));
    for (const sequence of this.#waiting) if (gone(sequence)) sequence.dispose();
    this.#waiting = this.#waiting.filter((sequence) => !gone(sequence));
  }

  /** A slot for one sequence; undefined when all are busy. */
  async #take(sequence: Sequence): Promise<boolean> {
    const exactChunk = sequence.exactPrefill ? exactChunkTokens : undefined;
    const taken = await this.#options.table.take({
      prompt: sequence.prompt.tokens,
      // Whoever wants the prompt's own probabilities needs every position computed.
      exactChunkTokens: wantsPromptLogprobs(sequence) ? Number.POSITIVE_INFINITY : exactChunk,
      copyCostTokens: this.#options.copyMs * this.#prefillTokensPerMs,
    });
    if (taken === undefined) return false;
    sequence.slot = taken.slot;
    if (sequence.leader === undefined) sequence.owner.cachedTokens += taken.reusedTokens;
    this.#active.push(sequence);
    return true;
  }

  /** Gives slots to those who wait. Returns until when a wave is held back, if it is. */
  async #admit(): Promise<number | undefined> {
    const { batching, now } = this.#options;
    const oldest = this.#waiting[0];
    if (oldest === undefined) return undefined;
    const state = {
      running: this.#active.length,
      waiting: this.#waiting.length,
      oldestArrivalMs: oldest.owner.arrivedAtMs,
    };
    const wave = decideWaveStart(state, batching, now());
    if (wave.kind === 'wait') return wave.untilMs;
    const left: Sequence[] = [];
    let full = false;
    for (const sequence of this.#waiting) {
      // The first choice computes the prompt; the others copy it when it is there.
      const { leader } = sequence;
      const early = leader !== undefined && leader.ended === undefined && !leader.begun;
      if (!full && !early) full = !(await this.#take(sequence));
      if (full || early) left.push(sequence);
    }
    this.#waiting = left;
    return undefined;
  }

  /** One pass over everyone who has a slot. */
  async #pass(): Promise<void> {
    await this.#prefill();
    const ready = this.#active.filter(
      (sequence) =>
        sequence.next !== undefined && sequence.ended === undefined && !sequence.owner.closed,
    );
    const together = ready.filter((sequence) => !sequence.alone);
    // The native side wants ascending sequence ids.
    together.sort((a, b) => (a.slot?.id ?? 0) - (b.slot?.id ?? 0));
    const before = this.#options.now();
    if (together.length > 0) await this.#decode(together);
    for (const sequence of ready) if (sequence.alone) await this.#decode([sequence]);
    if (ready.length > 0) this.#decodeMs = smooth(this.#decodeMs, this.#options.now() - before);
    await this.#options.table.stepped();
  }

  async #decode(sequences: readonly Sequence[]): Promise<void> {
    try {
      await this.#native.decode(sequences);
    } catch (thrown) {
      this.#fail(sequences, thrown);
    }
    for (const sequence of sequences) {
      if (sequence.ended !== undefined) this.#outbox.ended(sequence);
    }
  }

  /** Computes prompt tokens within the step's budget. */
  async #prefill(): Promise<void> {
    const { batching, batchTokens } = this.#options;
    const sequences = this.#active.filter((sequence) => !sequence.begun);
    if (sequences.length === 0) return;
    const plan = planPrefill({
      remaining: sequences.map((sequence) => sequence.promptLeft),
      fixedChunk: sequences.map((sequence) =>
        wantsPromptLogprobs(sequence)
          ? promptLogitsChunkTokens
          : sequence.exactPrefill
            ? exactChunkTokens
            : 0,
      ),
      decoding: this.#active.length - sequences.length,
      decodeMs: this.#decodeMs,
      stepBudgetMs: batching.stepBudgetMs,
      tokensPerMs: this.#prefillTokensPerMs,
      batchTokens,
    });
    for (const [index, sequence] of sequences.entries()) {
      const tokens = plan[index] ?? 0;
      if (tokens > 0 && !sequence.owner.closed) await this.#prefillChunk(sequence, tokens);
    }
  }

  async #prefillChunk(sequence: Sequence, tokens: number): Promise<void> {
    const { now } = this.#options;
    // Not by the meter, which is told and emptied while the chunk is computed.
    const before = now();
    try {
      await this.#native.prefill(sequence, tokens, this.#promptLogitsOf(sequence));
    } catch (thrown) {
      this.#fail([sequence], thrown);
      return;
    }
    const spentMs = now() - before;
    // A short chunk says more about the call's fixed cost than about speed.
    if (tokens >= 16 && spentMs > 0) {
      this.#prefillTokensPerMs = smooth(this.#prefillTokensPerMs, tokens / spentMs);
    }
    if (!sequence.begun) return;
    this.#begin(sequence);
    if (sequence.ended !== undefined) this.#outbox.ended(sequence);
  }

  /** Announces a sequence whose prompt is computed; repeats the prompt where that is asked for. */
  #begin(sequence: Sequence): void {
    const { owner, prompt, choice } = sequence;
    if (!owner.started) {
      owner.started = true;
      this.#outbox.started(owner);
    }
    if (!owner.request.echo) return;
    const logprobs = this.#promptLogprobs.get(sequence.leader ?? sequence);
    this.#outbox.events(owner, [echoEvent(this.#options.model, prompt, choice, logprobs)]);
  }

  #promptLogitsOf(sequence: Sequence): PromptLogits | undefined {
    if (!wantsPromptLogprobs(sequence)) return undefined;
    const { tokens } = sequence.prompt;
    let logprobs = this.#promptLogprobs.get(sequence);
    if (logprobs === undefined) {
      logprobs = [tokenLogprob(undefined, tokens[0] ?? 0, 0, this.#options.model.text)];
      this.#promptLogprobs.set(sequence, logprobs);
    }
    const kept = logprobs;
    return (position, logprob) => {
      kept[position] = logprob;
    };
  }

  /** Ends the requests whose decode has failed; what their slots hold now nobody knows. */
  #fail(sequences: readonly Sequence[], thrown: unknown): void {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    for (const { owner, slot } of sequences) {
      if (slot !== undefined) this.#options.table.clear(slot);
      if (owner.closed) continue;
      owner.closed = true;
      this.#requests.delete(owner.request.id);
      const message = `the engine failed to compute a step: ${reason}`;
      this.#options.onFailed(
        owner.request.id,
        new UnbusyError('upstream_failed', 'engine_step_failed', message, { cause: thrown }),
      );
    }
  }

  #flush(): void {
    const meter = this.#meter;
    this.#outbox.flush({
      ...meter,
      waiting: this.#waiting.length,
      kvUsageRatio: this.#options.table.usageRatio,
    });
    Object.assign(meter, emptyMeter());
  }

  /** Until something is submitted, aborted or stopped, or until the given time. */
  #sleep(untilMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const delayMs = untilMs === undefined ? undefined : untilMs - this.#options.now();
      const timer = delayMs === undefined ? undefined : setTimeout(() => this.#wake(), delayMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve();
      };
    });
  }
}

/** The prompt's own log probabilities are asked for, and this choice is the one that computes it. */
function wantsPromptLogprobs(sequence: Sequence): boolean {
  const { echo, topLogprobs } = sequence.owner.request;
  return echo && topLogprobs !== undefined && sequence.leader === undefined;
}

function overloaded(waiting: number): UnbusyError {
  const message = `${waiting} answers wait inside the engine already`;
  return new UnbusyError('overloaded', 'engine_queue_full', message);
}

function smooth(mean: number, latest: number): number {
  return mean === 0 ? latest : mean + (latest - mean) * smoothing;
}

function emptyMeter(): StepMeter {
  return { batchSize: 0, prefillTokens: 0, decodeMs: 0, prefillMs: 0, sampleMs: 0 };
}
