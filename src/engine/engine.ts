/**
 * One engine: a model in memory, its step loop, and the protocol's questions answered.
 *
 * Runs in a process of its own (`main.ts`); tests run it in theirs. Start: load, measure, make the
 * context, warm up; only then is it ready. What it has to say goes out through the port it is given.
 */
import { randomInt } from 'node:crypto';
import { assertNever, toUnbusyError, type UnbusyError } from '../core/errors.ts';
import { loadBinding } from './binding.ts';
import { toWire } from './engine-error.ts';
import { type LoadedModel, loadModel } from './loaded-model.ts';
import type { Binding, NativeContext, NativeModel } from './native.ts';
import { preparePrompt, renderChat, withBos } from './prompt.ts';
import type {
  EngineCall,
  EngineModel,
  EngineOptions,
  EngineRequest,
  EngineStep,
  FromEngine,
  ToEngine,
} from './protocol.ts';
import { slotCount } from './replicas.ts';
import { createSlotTable } from './slot-table.ts';
import { createStepLoop, type StepLoop } from './step-loop.ts';
import { chooseTuning, measureSlotCosts } from './tuning.ts';
import { warmUp } from './warm-up.ts';

export interface Engine {
  readonly model: EngineModel;
  /** Takes one message of the gateway. */
  handle(message: Exclude<ToEngine, { type: 'init' | 'shutdown' }>): void;
  /** Ends after the current step and frees the model. */
  close(): Promise<void>;
}

export interface EnginePort {
  send(message: FromEngine): void;
  /** One line of llama.cpp's log, warnings and errors. */
  log(line: string): void;
}

/** Most tokens in one native call: enough to keep a prefill efficient, small enough to share. */
const batchTokens = 512;
/** `context_tokens: auto` gives all slots together at most this much KV cache. */
const kvCacheBytesMax = 4 * 1024 ** 3;
/** llama.cpp rounds a sequence's context up to this. */
const contextStepTokens = 256;

/** Loads, measures and warms up. Throws `UnbusyError` where the engine can never serve. */
export async function startEngine(options: EngineOptions, port: EnginePort): Promise<Engine> {
  const startedAt = performance.now();
  const binding = await loadBinding({ gpuLayers: options.gpuLayers, onLog: port.log });
  const model = await loadModel(binding, {
    path: options.modelPath,
    gpuLayers: options.gpuLayers,
    onProgress: (ratio) => port.send({ type: 'loading', ratio }),
  });
  const loadedAt = performance.now();
  const serving = await serve(binding, model, options, port);
  const warmedAt = performance.now();
  const { tuning, contextTokens, slots, loop, context } = serving;
  return {
    model: {
      id: options.modelId,
      name: model.name,
      architecture: model.info.architecture,
      quantization: model.info.quantization,
      parameters: model.info.parameters,
      contextTokens,
      slots,
      threads: tuning.threads,
      flashAttention: tuning.flashAttention,
      gpuLayers: binding.gpu === 'none' ? 0 : options.gpuLayers,
      supportsTools: model.template?.supportsTools ?? false,
      supportsEmbeddings: false,
      reasons: model.template?.reasons ?? false,
      digest: model.digest,
      loadMs: Math.round(loadedAt - startedAt),
      warmupMs: Math.round(warmedAt - loadedAt),
    },
    handle: (message) => handle(message, model, contextTokens, loop, port),
    close: async () => {
      await loop.stop();
      await context.dispose();
      await model.native.dispose();
    },
  };
}

interface Serving {
  readonly tuning: Awaited<ReturnType<typeof chooseTuning>>;
  readonly contextTokens: number;
  readonly slots: number;
  readonly loop: StepLoop;
  readonly context: NativeContext;
}

/** The context in which the model serves, its loop running and warm. */
async function serve(
  binding: Binding,
  model: LoadedModel,
  options: EngineOptions,
  port: EnginePort,
): Promise<Serving> {
  const { batching } = options;
  const tuning = await chooseTuning(binding, model.native, { ...options, digest: model.digest });
  const slots = slotCount(batching);
  const contextTokens =
    options.contextTokens === 'auto'
      ? await fittingContext(model.native, slots)
      : options.contextTokens;
  const context = await model.native.createContext({
    sequences: slots,
    contextTokens,
    batchTokens: Math.max(batchTokens, slots),
    flashAttention: tuning.flashAttention,
    threads: tuning.threads,
  });
  const costs = await measureSlotCosts(context, slots, Math.max(0, model.native.eosToken));
  let onStep: (step: EngineStep) => void = () => undefined;
  let onFailed: (id: string, error: UnbusyError) => void = () => undefined;
  const loop = createStepLoop({
    model,
    context,
    table: createSlotTable({ context, slots, contextTokens, ...costs }),
    batching,
    contextTokens,
    batchTokens,
    prefillTokensPerMs: tuning.prefillTokensPerMs,
    copyMs: costs.copyMs,
    onStep: (step) => onStep(step),
    onFailed: (id, error) => onFailed(id, error),
    now: () => performance.now(),
    randomSeed: () => randomInt(2 ** 32),
  });
  await warmUp({ model, submit: loop.submit, contextTokens }, options.warmup, (listener) => {
    onStep = listener.onStep;
    onFailed = listener.onFailed;
  });
  onStep = (step) => port.send({ type: 'step', step });
  onFailed = (id, error) => port.send({ type: 'failed', id, error: toWire(error) });
  return { tuning, contextTokens, slots, loop, context };
}

function handle(
  message: Parameters<Engine['handle']>[0],
  model: LoadedModel,
  contextTokens: number,
  loop: StepLoop,
  port: EnginePort,
): void {
  switch (message.type) {
    case 'generate':
      loop.submit(message.request);
      return;
    case 'abort':
      loop.abort(message.id);
      return;
    case 'call': {
      const { callId } = message;
      try {
        port.send({ type: 'answer', callId, value: answer(message.call, model, contextTokens) });
      } catch (thrown) {
        port.send({ type: 'callFailed', callId, error: toWire(toUnbusyError(thrown)) });
      }
      return;
    }
    default:
      assertNever(message);
  }
}

function answer(call: EngineCall, model: LoadedModel, contextTokens: number): unknown {
  switch (call.name) {
    case 'measure': {
      const sizes = call.request.inputs.map(
        (input) => preparePrompt(model, call.request, input).tokens.length,
      );
      return { promptTokens: Math.max(0, ...sizes), contextTokens };
    }
    case 'render':
      return call.request.inputs.map((input) => promptText(model, call.request, input)).join('');
    case 'tokenize': {
      const tokens = model.native.tokenize(call.text, call.parseSpecial);
      return [...(call.addSpecial ? withBos(model, tokens) : tokens)];
    }
    case 'detokenize':
      return detokenize(model, call.tokens);
    default:
      return assertNever(call);
  }
}

function promptText(
  model: LoadedModel,
  request: EngineRequest,
  input: EngineRequest['inputs'][number],
): string {
  switch (input.kind) {
    case 'chat':
      return renderChat(model, request, input);
    case 'text':
      return input.text;
    case 'tokens':
      return detokenize(model, input.tokens);
    default:
      return assertNever(input);
  }
}

function detokenize(model: LoadedModel, tokens: readonly number[]): string {
  for (const token of tokens) model.text.check(token, 'tokens');
  return Buffer.concat(tokens.map((token) => model.text.bytesOf(token))).toString();
}

/** Tokens of context per slot, such that all slots' KV caches fit `kvCacheBytesMax`. */
async function fittingContext(model: NativeModel, slots: number): Promise<number> {
  // Two small contexts tell the cost of a token for every architecture alike.
  const memoryOf = async (contextTokens: number): Promise<number> => {
    const context = await model.createContext({
      sequences: 1,
      contextTokens,
      batchTokens: 32,
      flashAttention: true,
      threads: 1,
    });
    const { memoryBytes } = context;
    await context.dispose();
    return memoryBytes;
  };
  const bytes = (await memoryOf(5 * contextStepTokens)) - (await memoryOf(contextStepTokens));
  const perToken = Math.max(1, bytes / (4 * contextStepTokens));
  const fits = Math.floor(kvCacheBytesMax / slots / perToken / contextStepTokens);
  return Math.min(model.trainedContextTokens, Math.max(1, fits) * contextStepTokens);
}
