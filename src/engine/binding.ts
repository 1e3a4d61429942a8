/**
 * llama.cpp as node-llama-cpp ships it, behind the one file that knows its private API.
 *
 * The addon's classes are not a public interface: their shapes are written down here, as narrow as
 * our use, and `binding.test.ts` fails when a method or behaviour that we rely on changes. Everything
 * else in the engine sees only the interfaces of `native.ts`.
 */
import { createRequire } from 'node:module';
import { UnbusyError } from '../core/errors.ts';
import { type BindingPackage, findBindingPackage } from './binding-package.ts';
import type {
  Binding,
  ContextOptions,
  ModelOptions,
  NativeContext,
  NativeGrammar,
  NativeModel,
  NativeSampler,
  SamplerSettings,
} from './native.ts';

interface AddonModel {
  init(): Promise<boolean>;
  dispose(): Promise<void>;
  tokenize(text: string, parseSpecial: boolean): Uint32Array;
  getTokenString(token: number): string;
  getTokenAttributes(token: number): number;
  getVocabularyType(): number;
  isEogToken(token: number): boolean;
  getTrainContextSize(): number;
  getTotalParameters(): number;
  getTotalSize(): number;
  getModelDescription(): string;
  tokenBos(): number;
  tokenEos(): number;
  shouldPrependBosToken(): boolean;
}

interface AddonContext {
  init(): Promise<boolean>;
  dispose(): Promise<void>;
  initBatch(tokens: number): void;
  addToBatch(
    sequence: number,
    position: number,
    tokens: Uint32Array,
    logitsAt: Uint32Array,
  ): Uint32Array;
  decodeBatch(): Promise<void>;
  sampleToken(logitIndex: number, sampler: AddonSampler): Promise<number>;
  sampleToken(
    logitIndex: number,
    sampler: AddonSampler,
    probabilities: boolean,
    confidence: boolean,
    logits: [number[], boolean, boolean, boolean, number],
    totalWeight: boolean,
  ): Promise<[number, undefined, undefined, number[] | undefined, number | undefined]>;
  removeTokenCellsFromSequence(sequence: number, from: number, to: number): boolean;
  copySequenceStateFromOtherSequence(target: number, source: number): Promise<number>;
  getSequenceKvCacheMaxPosition(sequence: number): number;
  getMemoryBreakdown(): { cpuRam: number; gpuVram: number };
}

interface AddonSampler {
  applyConfig(config: Record<string, unknown>): void;
  dispose(): void;
}

interface AddonGrammar {
  isTextCompatible(text: string): boolean;
}

interface Addon {
  AddonModel: new (path: string, options: Record<string, unknown>) => AddonModel;
  AddonContext: new (model: AddonModel, options: Record<string, unknown>) => AddonContext;
  AddonSampler: new (model: AddonModel) => AddonSampler;
  AddonGrammar: new (gbnf: string) => AddonGrammar;
  AddonGrammarEvaluationState: new (model: AddonModel, grammar: AddonGrammar) => object;
  setLogger(logger: (level: number, message: string) => void): void;
  setLoggerLogLevel(level: number): void;
  loadBackends(folder?: string): void;
  getGpuType(): string | false | undefined;
  getMathCores(): number;
  init(): Promise<void>;
}

/** The addon's own log levels: 2 error, 3 warning. */
const addonLogLevelWarning = 3;

export interface BindingOptions {
  /** Layers for the GPU; 0 keeps to the CPU build. */
  readonly gpuLayers: number;
  /** One line of llama.cpp's log, warnings and errors only. */
  readonly onLog: (line: string) => void;
}

/**
 * Loads the addon into this process; a process can hold one.
 * Throws `UnbusyError` internal `engine_binding_missing` or `engine_binding_unusable`.
 */
export async function loadBinding(options: BindingOptions): Promise<Binding> {
  leaveWithoutTearDown();
  const found = findBindingPackage(process.platform, process.arch, options.gpuLayers > 0);
  const addon = requireAddon(found);
  addon.setLogger((_level, message) => {
    for (const line of message.split('\n')) if (line.trim() !== '') options.onLog(line);
  });
  addon.setLoggerLogLevel(addonLogLevelWarning);
  addon.loadBackends();
  // The libraries lie beside the addon, not where ggml looks first.
  if (!addon.getGpuType()) addon.loadBackends(found.backendsPath);
  if (!addon.getGpuType() && found.fallbackBackendsPath !== undefined) {
    addon.loadBackends(found.fallbackBackendsPath);
  }
  await addon.init();
  return {
    package: found,
    gpu: addon.getGpuType() || 'none',
    mathCores: Math.max(1, Math.floor(addon.getMathCores())),
    loadModel: (path, modelOptions) => loadModel(addon, path, modelOptions),
  };
}

/**
 * A process that ends by itself lets the addon's finalizers run in no particular order, and one that
 * uses another's freed object corrupts the heap (seen: aborts after a grammar was used). Leaving by
 * `process.exit` skips them; the system takes the memory back.
 */
function leaveWithoutTearDown(): void {
  if (!process.listeners('exit').includes(exitAtOnce)) process.once('exit', exitAtOnce);
}

function exitAtOnce(code: number): void {
  process.exit(code);
}

function requireAddon(found: BindingPackage): Addon {
  try {
    return createRequire(import.meta.url)(found.addonPath);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new UnbusyError(
      'internal',
      'engine_binding_unusable',
      `${found.name} is installed but cannot be loaded here: ${reason}`,
      { cause },
    );
  }
}

async function loadModel(addon: Addon, path: string, options: ModelOptions): Promise<NativeModel> {
  const model = new addon.AddonModel(path, {
    gpuLayers: options.gpuLayers,
    useMmap: true,
    onLoadProgress: options.onProgress,
  });
  if (!(await model.init())) {
    throw new UnbusyError(
      'internal',
      'model_unreadable',
      `${path} cannot be loaded as a GGUF model`,
    );
  }
  return {
    description: model.getModelDescription(),
    parameters: model.getTotalParameters(),
    sizeBytes: model.getTotalSize(),
    trainedContextTokens: model.getTrainContextSize(),
    bosToken: model.tokenBos(),
    eosToken: model.tokenEos(),
    addsBos: model.shouldPrependBosToken(),
    vocabularyType: model.getVocabularyType(),
    tokenSpelling: (token) => model.getTokenString(token),
    tokenAttributes: (token) => model.getTokenAttributes(token),
    isEndOfGeneration: (token) => model.isEogToken(token),
    tokenize: (text, parseSpecial) => model.tokenize(text, parseSpecial),
    createContext: (contextOptions) => createContext(addon, model, contextOptions),
    createSampler: (settings) => new Sampler(addon, model, settings),
    createGrammar: (gbnf) => new Grammar(new addon.AddonGrammar(gbnf)),
    dispose: () => model.dispose(),
  };
}

async function createContext(
  addon: Addon,
  model: AddonModel,
  options: ContextOptions,
): Promise<NativeContext> {
  const context = new addon.AddonContext(model, {
    contextSize: options.contextTokens * options.sequences,
    sequences: options.sequences,
    batchSize: options.batchTokens,
    flashAttention: options.flashAttention,
    threads: options.threads,
  });
  if (!(await context.init())) {
    throw new UnbusyError(
      'internal',
      'engine_out_of_memory',
      `no memory for ${options.sequences} slots of ${options.contextTokens} tokens; lower ` +
        'dynamic_batching.max_batch_size or context_tokens',
    );
  }
  const memory = context.getMemoryBreakdown();
  // Calls run at the same time where the thread pool allows it, and a sampler is its candidates'
  // buffer: each call in flight needs one of its own.
  const idle: AddonSampler[] = [];
  return {
    begin: (tokens) => context.initBatch(tokens),
    add: (sequence, position, tokens, logitsAt) =>
      context.addToBatch(sequence, position, tokens, logitsAt),
    decode: () => context.decodeBatch(),
    sample: (logitIndex, sampler) => context.sampleToken(logitIndex, nativeOf(sampler)),
    rawLogits: async (logitIndex, token, top) => {
      // Highest first needs at least one "top": the weight is relative to it.
      const wanted: [number[], boolean, boolean, boolean, number] = [
        [token],
        false,
        false,
        false,
        Math.max(1, top),
      ];
      const neutral = idle.pop() ?? neutralSampler(addon, model);
      const result = await context.sampleToken(logitIndex, neutral, false, false, wanted, true);
      idle.push(neutral);
      return { logits: result[3] ?? [], weight: result[4] ?? Number.NaN };
    },
    trim: (sequence, position) => context.removeTokenCellsFromSequence(sequence, position, -1),
    copy: async (target, source) => {
      await context.copySequenceStateFromOtherSequence(target, source);
    },
    // The addon computes in libuv's pool. One thread there has one order; several have none.
    inOrder: process.env['UV_THREADPOOL_SIZE'] === '1',
    lastPosition: (sequence) => context.getSequenceKvCacheMaxPosition(sequence),
    memoryBytes: memory.cpuRam + memory.gpuVram,
    dispose: () => {
      for (const sampler of idle) sampler.dispose();
      return context.dispose();
    },
  };
}

/** A sampler that changes no logit: what it sees is the raw distribution. */
function neutralSampler(addon: Addon, model: AddonModel): AddonSampler {
  const sampler = new addon.AddonSampler(model);
  sampler.applyConfig({ temperature: 0 });
  return sampler;
}

function nativeOf(sampler: NativeSampler): AddonSampler {
  if (!(sampler instanceof Sampler)) throw new Error('not a sampler of this binding');
  return sampler.native;
}

class Sampler implements NativeSampler {
  readonly native: AddonSampler;
  readonly #addon: Addon;
  readonly #model: AddonModel;
  readonly #config: Record<string, unknown>;

  constructor(addon: Addon, model: AddonModel, settings: SamplerSettings) {
    this.#addon = addon;
    this.#model = model;
    this.#config = addonConfig(settings);
    this.native = new addon.AddonSampler(model);
    this.native.applyConfig(this.#config);
  }

  useGrammar(grammar: NativeGrammar, history: Uint32Array): void {
    if (!(grammar instanceof Grammar)) throw new Error('not a grammar of this binding');
    const state = new this.#addon.AddonGrammarEvaluationState(this.#model, grammar.native);
    const config = { ...this.#config, grammarEvaluationState: state };
    // What a new configuration leaves out is switched off, and a shorter history forgets.
    this.native.applyConfig(
      'repeatPenaltyTokens' in config ? { ...config, repeatPenaltyTokens: history } : config,
    );
  }

  dispose(): void {
    this.native.dispose();
  }
}

class Grammar implements NativeGrammar {
  readonly native: AddonGrammar;

  constructor(native: AddonGrammar) {
    this.native = native;
  }

  accepts(text: string): boolean {
    return this.native.isTextCompatible(text);
  }
}

function addonConfig(settings: SamplerSettings): Record<string, unknown> {
  const config: Record<string, unknown> = {
    temperature: settings.temperature,
    seed: settings.seed,
  };
  if (settings.topK !== undefined) config['topK'] = settings.topK;
  if (settings.topP !== undefined) config['topP'] = settings.topP;
  if (settings.minP !== undefined) config['minP'] = settings.minP;
  if (settings.penalties !== undefined) {
    config['repeatPenalty'] = settings.penalties.repetition;
    config['repeatPenaltyPresencePenalty'] = settings.penalties.presence;
    config['repeatPenaltyFrequencyPenalty'] = settings.penalties.frequency;
    config['repeatPenaltyTokens'] = settings.penalties.history;
    config['repeatPenaltyMaxTokens'] = settings.penalties.windowTokens;
  }
  if (settings.bias !== undefined) {
    config['tokenBiasKeys'] = settings.bias.tokens;
    config['tokenBiasValues'] = settings.bias.values;
  }
  return config;
}
