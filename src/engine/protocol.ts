/**
 * What the gateway and an engine process say to each other.
 *
 * One duplex local socket, inherited as file descriptor 3. Each message is a 4-byte little-endian
 * length followed by that many bytes of UTF-8 JSON (`frames.ts`). A decode step's output for all
 * its requests travels in one message, so that the cost is per step and not per token.
 */
import type { ErrorKind } from '../core/errors.ts';
import type { GenerationEvent, GenerationRequest, Usage } from '../protocol/generation.ts';
import type { EngineStepStats } from '../protocol/telemetry.ts';

/** Version of this protocol; both sides come from one build, so a mismatch is a packaging fault. */
export const engineProtocolVersion = 1;

export interface EngineOptions {
  readonly modelPath: string;
  readonly modelId: string;
  /** Decode and prefill threads; `auto` measures at start. */
  readonly threads: number | 'auto';
  readonly flashAttention: boolean | 'auto';
  readonly gpuLayers: number;
  /** Tokens of context per slot; `auto`: the model's, at most what fits 4 GiB of KV cache. */
  readonly contextTokens: number | 'auto';
  readonly batching: EngineBatching;
  readonly warmup: { readonly requests: number; readonly prefixes: readonly string[] };
  /** Where measurements made at start are kept between starts; absent: nowhere. */
  readonly cacheDir?: string | undefined;
}

/** The `dynamic_batching` keys as the engine takes them (docs/reference/config.md). */
export interface EngineBatching {
  readonly enabled: boolean;
  /** Slots: sequences decoded together. */
  readonly maxBatchSize: number;
  readonly preferredBatchSizes: readonly number[];
  /** How long an idle engine waits for a preferred size before its first step, ms. */
  readonly maxQueueDelayMs: number;
  /** Prefill between decode steps is cut into chunks that keep a step under this, ms. */
  readonly stepBudgetMs: number;
}

/** A request without what only the gateway needs. */
export type EngineRequest = Omit<GenerationRequest, 'wire' | 'stream' | 'model'>;

export type ToEngine =
  | { readonly type: 'init'; readonly version: number; readonly options: EngineOptions }
  | { readonly type: 'generate'; readonly request: EngineRequest }
  | { readonly type: 'abort'; readonly id: string }
  | { readonly type: 'call'; readonly callId: number; readonly call: EngineCall }
  | { readonly type: 'shutdown' };

/** Questions with one answer. */
export type EngineCall =
  | { readonly name: 'measure'; readonly request: EngineRequest }
  | { readonly name: 'render'; readonly request: EngineRequest }
  | {
      readonly name: 'tokenize';
      readonly text: string;
      readonly addSpecial: boolean;
      readonly parseSpecial: boolean;
    }
  | { readonly name: 'detokenize'; readonly tokens: readonly number[] };

export type FromEngine =
  | { readonly type: 'loading'; readonly ratio: number }
  | { readonly type: 'ready'; readonly model: EngineModel }
  /** The engine cannot serve; the process exits after this. */
  | { readonly type: 'fatal'; readonly error: WireError }
  | { readonly type: 'step'; readonly step: EngineStep }
  | { readonly type: 'failed'; readonly id: string; readonly error: WireError }
  | { readonly type: 'answer'; readonly callId: number; readonly value: unknown }
  | { readonly type: 'callFailed'; readonly callId: number; readonly error: WireError };

export interface WireError {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly message: string;
  readonly param?: string | undefined;
  readonly facts?: Readonly<Record<string, string | number | boolean>> | undefined;
}

export interface EngineModel {
  readonly id: string;
  /** `general.name` or the file's name. */
  readonly name: string;
  readonly architecture: string;
  readonly quantization: string;
  readonly parameters: number;
  readonly contextTokens: number;
  readonly slots: number;
  readonly threads: number;
  readonly flashAttention: boolean;
  readonly gpuLayers: number;
  /** The template has tools. */
  readonly supportsTools: boolean;
  readonly supportsEmbeddings: boolean;
  /** The template thinks (`<think>`). */
  readonly reasons: boolean;
  /** SHA-256 of the file's first and last MiB and its size: the revision digest. */
  readonly digest: string;
  readonly loadMs: number;
  readonly warmupMs: number;
}

/** What one pass of the step loop did. Times in ms. */
export interface EngineStep extends EngineStepStats {
  /** Requests that began generating in this step, with their prompt's size. */
  readonly started: readonly {
    readonly id: string;
    readonly promptTokens: number;
    readonly cachedTokens: number;
  }[];
  /** New text, in order, by request. */
  readonly output: readonly { readonly id: string; readonly events: readonly GenerationEvent[] }[];
  /** Requests that are complete: all choices finished. Their slots are free. */
  readonly finished: readonly { readonly id: string; readonly usage: Usage }[];
}
