/**
 * The native calls of one pass: compute a prompt chunk, decode one token for each, sample.
 *
 * Keeps three rules. While a decode runs, the tokens before it are told (`whileDecoding`). Logits are
 * sampled before the next decode overwrites them. A slot's tokens are recorded only after the decode
 * that computed them has succeeded.
 *
 * Where native calls are computed in order, sampling is asked for together with the decode, so that
 * a token costs one way to the computing thread and back instead of two.
 */
import type { TokenLogprob } from '../protocol/generation.ts';
import type { LoadedModel } from './loaded-model.ts';
import { tokenLogprob } from './logprobs.ts';
import type { NativeContext } from './native.ts';
import type { Outbox } from './outbox.ts';
import type { Sequence } from './sequence.ts';

/** Times and sizes since they were last taken, ms. */
export interface StepMeter {
  batchSize: number;
  prefillTokens: number;
  decodeMs: number;
  prefillMs: number;
  sampleMs: number;
}

export interface NativeStepOptions {
  readonly model: LoadedModel;
  readonly context: NativeContext;
  readonly outbox: Outbox;
  readonly meter: StepMeter;
  /** Called once per native decode, after it has been started. */
  readonly whileDecoding: () => void;
  /** One sequence cannot go on; the others of its batch can. */
  readonly onFailed: (sequence: Sequence, thrown: unknown) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface NativeStep {
  /**
   * Computes the next `tokens` prompt tokens. After the last one the first token is sampled, unless
   * nothing is to be generated. `promptLogits` gets each position's log probability first (echo).
   */
  prefill(sequence: Sequence, tokens: number, promptLogits?: PromptLogits): Promise<void>;
  /** Decodes the next token of every sequence in one call and samples the ones after. */
  decode(sequences: readonly Sequence[]): Promise<void>;
}

/** Called with the log probability of prompt token `position`, given those before it. */
export type PromptLogits = (position: number, logprob: TokenLogprob) => void;

const firstOnly = Uint32Array.of(0);

/** The native calls over one context; keeps reusable buffers, no other state. */
export function createNativeStep(options: NativeStepOptions): NativeStep {
  const { context, meter, now } = options;
  const one = new Uint32Array(1);
  const { logprobAt, sampleOne } = createSampling(options);

  /** Decodes, and has sampled after it what is certain to be. Each settles after the decode. */
  const decodeBatch = async (
    sequences: readonly Sequence[],
  ): Promise<readonly (Promise<number> | undefined)[]> => {
    const decoding = context.decode();
    const asked = sequences.map((sequence, index) =>
      context.inOrder && sequence.nextIsSampled
        ? context.sample(index, sequence.sampler)
        : undefined,
    );
    options.whileDecoding();
    try {
      await decoding;
    } catch (thrown) {
      // Until they have settled, samplers are in use.
      await Promise.allSettled(asked);
      throw thrown;
    }
    return asked;
  };

  return {
    async prefill(sequence, count, promptLogits) {
      const { slot, prompt } = sequence;
      if (slot === undefined) throw new Error('prefill without a slot');
      const from = slot.length;
      const tokens = prompt.tokens.subarray(from, from + count);
      const complete = from + count === prompt.tokens.length;
      const logitsAt = promptLogits
        ? Uint32Array.from(tokens, (_, at) => at)
        : complete
          ? Uint32Array.of(count - 1)
          : new Uint32Array();
      const startedAt = now();
      context.begin(count);
      const indexes = context.add(slot.id, from, tokens, logitsAt);
      await decodeBatch([]);
      slot.append(tokens, sequence.exactPrefill);
      const sampledAt = now();
      meter.prefillTokens += count;
      meter.prefillMs += sampledAt - startedAt;
      if (promptLogits !== undefined) {
        const top = sequence.owner.request.topLogprobs ?? 0;
        for (let at = 0; at < count; at++) {
          const following = prompt.tokens[from + at + 1];
          if (following === undefined) break;
          promptLogits(from + at + 1, await logprobAt(indexes[at] ?? 0, following, top));
        }
      }
      if (!complete) return;
      if (sequence.wantsNothing) sequence.ended = 'length';
      else await sampleOne(sequence, indexes.at(-1) ?? 0);
      meter.sampleMs += now() - sampledAt;
    },
    async decode(sequences) {
      const startedAt = now();
      context.begin(sequences.length);
      for (const { slot, next } of sequences) {
        if (slot === undefined || next === undefined) throw new Error('decode without a token');
        one[0] = next;
        context.add(slot.id, slot.length, one, firstOnly);
      }
      const asked = await decodeBatch(sequences);
      for (const { slot, next } of sequences) {
        one[0] = next ?? 0;
        slot?.append(one, false);
      }
      const sampledAt = now();
      meter.batchSize += sequences.length;
      meter.decodeMs += sampledAt - startedAt;
      await Promise.all(
        sequences.map((sequence, index) => sampleOne(sequence, index, asked[index])),
      );
      meter.sampleMs += now() - sampledAt;
    },
  };
}

interface Sampling {
  logprobAt(index: number, token: number, top: number): Promise<TokenLogprob>;
  /** The next token of one sequence from the logits at `index`; `asked`: sampling it has begun. */
  sampleOne(sequence: Sequence, index: number, asked?: Promise<number>): Promise<void>;
}

function createSampling({ context, model, outbox, onFailed }: NativeStepOptions): Sampling {
  const logprobAt = async (index: number, token: number, top: number): Promise<TokenLogprob> =>
    tokenLogprob(await context.rawLogits(index, token, top), token, top, model.text);

  const sampleNext = async (
    sequence: Sequence,
    index: number,
    asked: Promise<number> | undefined,
  ): Promise<void> => {
    // Waited for even if nobody wants it: until then the sampler is in use.
    const sampled = asked && (await asked);
    // A stop string may have come to light, or the caller have left, while this was decoded.
    if (sequence.ended !== undefined || sequence.owner.closed) return;
    const chosen = sequence.takeForced() ?? sampled;
    const token = chosen ?? (await context.sample(index, sequence.sampler));
    const top = sequence.owner.request.topLogprobs;
    const logprob = top === undefined || token < 0 ? undefined : await logprobAt(index, token, top);
    sequence.accept(token);
    outbox.token(sequence, token, logprob);
  };
  return {
    logprobAt,
    async sampleOne(sequence, index, asked) {
      try {
        await sampleNext(sequence, index, asked);
      } catch (thrown) {
        if (sequence.ended === undefined) onFailed(sequence, thrown);
      }
    },
  };
}
