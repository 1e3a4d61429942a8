/**
 * Threads and flash attention, chosen by a short measurement at start.
 *
 * No rule of thumb holds: on two cores flash attention made this project's model twice as quick, and
 * two threads made it anything between 1.7 times quicker and a hundred times slower. The measurement
 * is kept in the cache directory, by model, machine and build.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import type { Binding, NativeContext, NativeModel } from './native.ts';
import { smallModelBytes } from './replicas.ts';

export interface Tuning {
  readonly threads: number;
  readonly flashAttention: boolean;
  readonly prefillTokensPerMs: number;
}

export interface TuningRequest {
  readonly threads: number | 'auto';
  readonly flashAttention: boolean | 'auto';
  readonly gpuLayers: number;
  readonly digest: string;
  readonly cacheDir?: string | undefined;
}

interface Measured extends Tuning {
  /** Time of one prompt of `prefillTokens` and as many answer tokens as weigh the same, ms. */
  readonly costMs: number;
}

const prefillTokens = 64;
const decodeSequences = 2;
/** Answers are longer than prompts: this many decode steps weigh as much as the prefill. */
const decodeSteps = 32;
/** A measurement takes so much time and so many repetitions, and no longer than the last. */
const measureMs = 15;
const repetitionsMin = 5;
const measureMsMax = 1_000;

/** What was measured at an earlier start, else a new measurement (some 100 ms for a small model). */
export async function chooseTuning(
  binding: Binding,
  model: NativeModel,
  request: TuningRequest,
): Promise<Tuning> {
  const file = request.cacheDir && join(request.cacheDir, `tuning-${keyOf(binding, request)}.json`);
  const known = file ? readTuning(file) : undefined;
  if (known !== undefined) return known;
  const tuning = await measureBest(binding, model, request);
  if (file) writeTuning(file, tuning);
  return tuning;
}

/** Thread counts worth trying. */
export function threadCandidates(options: {
  readonly modelBytes: number;
  readonly cores: number;
  readonly gpu: boolean;
}): readonly number[] {
  const { cores, modelBytes, gpu } = options;
  // Barriers of a millisecond's step collapse as soon as anybody else wants a core.
  if (modelBytes < smallModelBytes || gpu) return [1];
  return [...new Set([cores, Math.ceil(cores / 2), 1])].filter((threads) => threads >= 1);
}

async function measureBest(
  binding: Binding,
  model: NativeModel,
  request: TuningRequest,
): Promise<Tuning> {
  const gpu = request.gpuLayers > 0 && binding.gpu !== 'none';
  const threads =
    request.threads === 'auto'
      ? threadCandidates({ modelBytes: model.sizeBytes, cores: binding.mathCores, gpu })
      : [request.threads];
  const attention = request.flashAttention === 'auto' ? [true, false] : [request.flashAttention];
  let best: Measured | undefined;
  for (const flashAttention of attention) {
    best = better(best, await measure(model, threads[0] ?? 1, flashAttention));
  }
  const { flashAttention } = best ?? { flashAttention: true };
  for (const count of threads.slice(1)) {
    best = better(best, await measure(model, count, flashAttention));
  }
  if (best === undefined) throw new Error('nothing was measured');
  const { costMs: _, ...tuning } = best;
  return tuning;
}

function better(one: Measured | undefined, other: Measured): Measured {
  return one === undefined || other.costMs < one.costMs ? other : one;
}

async function measure(
  model: NativeModel,
  threads: number,
  flashAttention: boolean,
): Promise<Measured> {
  const context = await model.createContext({
    sequences: decodeSequences,
    contextTokens: 256,
    batchTokens: prefillTokens,
    flashAttention,
    threads,
  });
  try {
    const prompt = new Uint32Array(prefillTokens).fill(Math.max(0, model.eosToken));
    const prefillMs = await fastest(async () => {
      context.trim(0, 0);
      await decodeAt(context, [0], 0, prompt);
    });
    context.trim(1, 0);
    await decodeAt(context, [1], 0, prompt);
    const one = prompt.subarray(0, 1);
    const decodeMs = await fastest(async () => {
      context.trim(0, prefillTokens);
      context.trim(1, prefillTokens);
      await decodeAt(context, [0, 1], prefillTokens, one);
    });
    return {
      threads,
      flashAttention,
      prefillTokensPerMs: prefillTokens / prefillMs,
      costMs: prefillMs + decodeSteps * decodeMs,
    };
  } finally {
    await context.dispose();
  }
}

/** What moving sequences about costs in the context that serves, ms; some milliseconds to measure. */
export async function measureSlotCosts(
  context: NativeContext,
  slots: number,
  token: number,
): Promise<{ readonly copyMs: number; readonly gapMs: number }> {
  if (slots < 3) return { copyMs: 0, gapMs: 0 };
  const one = Uint32Array.of(token);
  for (const slot of [0, 1, 2]) await decodeAt(context, [slot], 0, one);
  const pair = async (first: number, second: number): Promise<number> =>
    await fastest(async () => {
      context.trim(first, 1);
      context.trim(second, 1);
      await decodeAt(context, [first, second], 1, one);
    });
  const adjacentMs = await pair(0, 1);
  const gapMs = Math.max(0, (await pair(0, 2)) - adjacentMs);
  const plainMs = await fastest(async () => {
    context.trim(0, 1);
    await decodeAt(context, [0], 1, one);
  });
  const copiedMs = await fastest(async () => {
    context.trim(0, 1);
    context.trim(1, 0);
    await context.copy(1, 0);
    await decodeAt(context, [0], 1, one);
  });
  for (const slot of [0, 1, 2]) context.trim(slot, 0);
  return { copyMs: Math.max(0, copiedMs - plainMs), gapMs };
}

async function decodeAt(
  context: NativeContext,
  slots: readonly number[],
  position: number,
  tokens: Uint32Array,
): Promise<void> {
  context.begin(slots.length * tokens.length);
  const last = Uint32Array.of(tokens.length - 1);
  for (const slot of slots) context.add(slot, position, tokens, last);
  await context.decode();
}

/** The shortest of the repetitions that fit the time: what disturbs a run only ever adds. */
async function fastest(run: () => Promise<void>): Promise<number> {
  await run();
  const startedAt = performance.now();
  let best = Number.POSITIVE_INFINITY;
  for (let repetition = 1; ; repetition++) {
    const before = performance.now();
    await run();
    const after = performance.now();
    best = Math.min(best, after - before);
    const spentMs = after - startedAt;
    const enough = spentMs >= measureMs && repetition >= repetitionsMin;
    if (enough || spentMs >= measureMsMax) return best;
  }
}

function keyOf(binding: Binding, request: TuningRequest): string {
  const parts = [
    request.digest,
    request.threads,
    request.flashAttention,
    request.gpuLayers,
    binding.package.name,
    binding.package.version,
    binding.gpu,
    cpus()[0]?.model,
    availableParallelism(),
  ];
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32);
}

function readTuning(file: string): Tuning | undefined {
  try {
    const { threads, flashAttention, prefillTokensPerMs } = JSON.parse(readFileSync(file, 'utf8'));
    const valid =
      Number.isInteger(threads) &&
      threads > 0 &&
      typeof flashAttention === 'boolean' &&
      prefillTokensPerMs > 0;
    return valid ? { threads, flashAttention, prefillTokensPerMs } : undefined;
  } catch {
    // Not there, or not ours: measure again.
    return undefined;
  }
}

function writeTuning(file: string, tuning: Tuning): void {
  try {
    mkdirSync(join(file, '..'), { recursive: true });
    const fresh = `${file}.${process.pid}`;
    writeFileSync(fresh, JSON.stringify(tuning));
    renameSync(fresh, file);
  } catch {
    // A cache that cannot be written costs the next start a measurement, nothing more.
  }
}
