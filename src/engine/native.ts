/**
 * What the engine sees of llama.cpp: a model, a context of sequences, samplers and grammars.
 *
 * These interfaces are ours; `binding.ts` implements them over the addon that node-llama-cpp ships.
 *
 * Rules that the native side imposes and that callers must keep:
 * - one decode runs at a time, and while it does nothing else may touch the context: `begin`, `add`
 *   and `trim` act at once, `copy` is queued for the next decode;
 * - logits belong to the latest `decode`; samplers read them until the next one starts;
 * - a sampler serves one call at a time (calls run in parallel where libuv has several threads);
 * - sequences do not share their cells (`kv_unified = false`), so a copy is of the whole sequence.
 */
import type { BindingPackage } from './binding-package.ts';
import type { Vocabulary } from './token-text.ts';

export interface Binding {
  readonly package: BindingPackage;
  /** Kind of GPU in use, `none` on a CPU. */
  readonly gpu: string;
  /** Physical cores that are good for mathematics, as llama.cpp counts them. */
  readonly mathCores: number;
  /** Loads a GGUF file. Throws `UnbusyError` internal `model_unreadable`. */
  loadModel(path: string, options: ModelOptions): Promise<NativeModel>;
}

export interface ModelOptions {
  readonly gpuLayers: number;
  readonly onProgress: (ratio: number) => void;
}

export interface NativeModel extends Vocabulary {
  readonly description: string;
  readonly parameters: number;
  readonly sizeBytes: number;
  readonly trainedContextTokens: number;
  /** −1 where the vocabulary has none. */
  readonly bosToken: number;
  readonly eosToken: number;
  /** The vocabulary asks for BOS before every prompt. */
  readonly addsBos: boolean;
  /** Never adds BOS. `parseSpecial`: control tokens written out in the text count as themselves. */
  tokenize(text: string, parseSpecial: boolean): Uint32Array;
  createContext(options: ContextOptions): Promise<NativeContext>;
  createSampler(settings: SamplerSettings): NativeSampler;
  /** Compiles a GBNF grammar; its state is made by `NativeSampler.useGrammar`. */
  createGrammar(gbnf: string): NativeGrammar;
  dispose(): Promise<void>;
}

export interface ContextOptions {
  readonly sequences: number;
  /** Tokens of context per sequence. */
  readonly contextTokens: number;
  /** Most tokens in one decode call. */
  readonly batchTokens: number;
  readonly flashAttention: boolean;
  readonly threads: number;
}

export interface NativeContext {
  /** Starts a new batch of at most `tokens` tokens. */
  begin(tokens: number): void;
  /**
   * Adds tokens of one sequence, sequences in ascending order. Logits are kept for the positions in
   * `logitsAt` (indexes into `tokens`, ascending); returns their indexes for `sample`.
   */
  add(sequence: number, position: number, tokens: Uint32Array, logitsAt: Uint32Array): Uint32Array;
  decode(): Promise<void>;
  /** Calls are computed in the order they were made: `sample` may be called while `decode` runs. */
  readonly inOrder: boolean;
  /** Samples one token, −1 where the constraints leave none. The sampler accepts the token. */
  sample(logitIndex: number, sampler: NativeSampler): Promise<number>;
  /** Raw logits at `logitIndex`: the `top` highest and the one of `token`. */
  rawLogits(logitIndex: number, token: number, top: number): Promise<RawLogits>;
  /** Forgets the sequence's cells from `position` on; false where the memory cannot. */
  trim(sequence: number, position: number): boolean;
  /** Copies all cells; the copy happens with the next decode, before it computes. */
  copy(target: number, source: number): Promise<void>;
  /** Highest position held, −1 when empty. */
  lastPosition(sequence: number): number;
  /** KV cache and compute buffers. */
  readonly memoryBytes: number;
  dispose(): Promise<void>;
}

export interface RawLogits {
  /** Pairs [token, logit]: the highest first, then the one asked for where it is not among them. */
  readonly logits: readonly number[];
  /** Σ exp(logit − highest logit) over the vocabulary. */
  readonly weight: number;
}

/** What a sampler does with logits; absent means off. */
export interface SamplerSettings {
  /** 0: greedy. */
  readonly temperature: number;
  readonly topK?: number | undefined;
  readonly topP?: number | undefined;
  readonly minP?: number | undefined;
  readonly seed: number;
  readonly penalties?: PenaltySettings | undefined;
  readonly bias?: { readonly tokens: Uint32Array; readonly values: Float32Array } | undefined;
}

export interface PenaltySettings {
  readonly repetition: number;
  readonly presence: number;
  readonly frequency: number;
  /** Tokens that count as already seen, oldest first. */
  readonly history: Uint32Array;
  /** How many of the latest tokens count. */
  readonly windowTokens: number;
}

export interface NativeSampler {
  /**
   * From now on only tokens that the grammar allows; it starts at its root. `history`: what the
   * penalties count as already seen (as in `PenaltySettings`).
   */
  useGrammar(grammar: NativeGrammar, history: Uint32Array): void;
  dispose(): void;
}

/** A parsed grammar, opaque. */
export interface NativeGrammar {
  /** Whether the whole text is a sentence of the grammar. */
  accepts(text: string): boolean;
}
