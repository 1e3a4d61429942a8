/**
 * From a request's sampling fields to the settings of a native sampler.
 *
 * Where the request says nothing, R1's authors' advice holds (temperature 0.6, top-p 0.95: the model
 * repeats itself when it is greedy). Choice `i` samples with seed + i, so that n choices differ and
 * each can be had alone.
 */
import type { Sampling } from '../protocol/generation.ts';
import type { SamplerSettings } from './native.ts';

/** DeepSeek-R1's model card, "Usage Recommendations". */
export const defaultSampling = { temperature: 0.6, topP: 0.95 } as const;

export interface SamplerInput {
  readonly sampling: Sampling;
  /** Index of the choice within the request. */
  readonly choice: number;
  /** Used where the request has no seed. */
  readonly randomSeed: number;
  readonly prompt: Uint32Array;
  /** The longest that prompt and answer can get: how far penalties look back. */
  readonly contextTokens: number;
}

/**
 * Settings for one choice. A repetition penalty counts prompt and answer, presence and frequency
 * penalties alone count the answer only, as vLLM and OpenAI do.
 */
export function samplerSettings(input: SamplerInput): SamplerSettings {
  const { sampling } = input;
  const seed = (sampling.seed ?? input.randomSeed) + input.choice;
  const bias = Object.entries(sampling.logitBias ?? {});
  return {
    temperature: sampling.temperature ?? defaultSampling.temperature,
    topP: sampling.topP ?? defaultSampling.topP,
    topK: sampling.topK !== undefined && sampling.topK > 0 ? sampling.topK : undefined,
    minP: sampling.minP,
    seed: seed >>> 0,
    penalties: penaltiesOf(input),
    bias:
      bias.length === 0
        ? undefined
        : {
            tokens: Uint32Array.from(bias, ([token]) => Number(token)),
            values: Float32Array.from(bias, ([, value]) => value),
          },
  };
}

function penaltiesOf(input: SamplerInput): SamplerSettings['penalties'] {
  const { repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0 } = input.sampling;
  if (repetitionPenalty === 1 && presencePenalty === 0 && frequencyPenalty === 0) return undefined;
  return {
    repetition: repetitionPenalty,
    presence: presencePenalty,
    frequency: frequencyPenalty,
    history: repetitionPenalty === 1 ? new Uint32Array() : input.prompt,
    windowTokens: input.contextTokens,
  };
}
