/** What the engine's tests share: the shipped model, requests, and an engine in this process. */
import { fileURLToPath } from 'node:url';
import type { UnbusyError } from '../core/errors.ts';
import type { FinishReason, GenerationEvent, TokenLogprob, Usage } from '../protocol/generation.ts';
import { type Engine, startEngine } from './engine.ts';
import { fromWire } from './engine-error.ts';
import type { EngineOptions, EngineRequest, EngineStep, FromEngine } from './protocol.ts';

export const modelPath = fileURLToPath(
  new URL('../../models/pocket-r1/pocket-r1-q8_0.gguf', import.meta.url),
);

/** Options for tests: no measurement where it can be avoided, no waiting for company. */
export function testEngineOptions(changes: Partial<EngineOptions> = {}): EngineOptions {
  return {
    modelPath,
    modelId: 'pocket-r1',
    threads: 1,
    flashAttention: true,
    gpuLayers: 0,
    contextTokens: 512,
    batching: {
      enabled: true,
      maxBatchSize: 16,
      preferredBatchSizes: [],
      maxQueueDelayMs: 0,
      stepBudgetMs: 30,
    },
    warmup: { requests: 0, prefixes: [] },
    ...changes,
  };
}

/** A chat with one user message. */
export function chatRequest(text: string, changes: Partial<EngineRequest> = {}): EngineRequest {
  return {
    id: 'request',
    inputs: [{ kind: 'chat', messages: [{ role: 'user', content: [{ kind: 'text', text }] }] }],
    choicesPerInput: 1,
    sampling: { temperature: 0 },
    stop: [],
    echo: false,
    format: { kind: 'text' },
    reasoning: { placement: 'separate' },
    tools: [],
    deterministic: false,
    ...changes,
  };
}

/** A legacy completion. */
export function textRequest(text: string, changes: Partial<EngineRequest> = {}): EngineRequest {
  return chatRequest('', { inputs: [{ kind: 'text', text }], ...changes });
}

/** One choice of a complete answer. */
export interface AnsweredChoice {
  reasoning: string;
  answer: string;
  reason: FinishReason | undefined;
  cutInThought: boolean;
  readonly logprobs: TokenLogprob[];
}

export interface Answered {
  readonly choices: AnsweredChoice[];
  readonly usage: Usage;
}

/** Puts events together, by choice. */
export function collectChoices(events: readonly GenerationEvent[]): AnsweredChoice[] {
  const choices: AnsweredChoice[] = [];
  for (const event of events) {
    if (event.kind === 'usage') continue;
    const choice = choices[event.choice] ?? {
      reasoning: '',
      answer: '',
      reason: undefined,
      cutInThought: false,
      logprobs: [],
    };
    choices[event.choice] = choice;
    if (event.kind === 'finish') {
      choice.reason = event.reason;
      choice.cutInThought = event.cutInThought;
    } else {
      if (event.channel === 'reasoning') choice.reasoning += event.text;
      else choice.answer += event.text;
      choice.logprobs.push(...(event.logprobs ?? []));
    }
  }
  return choices;
}

export interface TestEngine {
  readonly engine: Engine;
  /** Every step so far. */
  readonly steps: EngineStep[];
  /** Resolves with the whole answer, rejects with the engine's error. */
  ask(request: EngineRequest): Promise<Answered>;
  abort(id: string): void;
  call(call: Extract<Parameters<Engine['handle']>[0], { type: 'call' }>['call']): Promise<unknown>;
  /** Resolves at the next step for which `condition` holds. */
  step(condition: (step: EngineStep) => boolean): Promise<EngineStep>;
  close(): Promise<void>;
}

/** Starts an engine in this process. */
export async function startTestEngine(options: EngineOptions): Promise<TestEngine> {
  const steps: EngineStep[] = [];
  const watchers = new Set<(step: EngineStep) => void>();
  const failures = new Map<string, (error: UnbusyError) => void>();
  const calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let lastId = 0;
  const receive = (message: FromEngine): void => {
    if (message.type === 'step') {
      steps.push(message.step);
      for (const watch of watchers) watch(message.step);
    } else if (message.type === 'failed') {
      failures.get(message.id)?.(fromWire(message.error));
    } else if (message.type === 'answer') {
      calls.get(message.callId)?.resolve(message.value);
    } else if (message.type === 'callFailed') {
      calls.get(message.callId)?.reject(fromWire(message.error));
    }
  };
  const engine = await startEngine(options, { send: receive, log: () => undefined });
  return {
    engine,
    steps,
    ask: (request) =>
      new Promise((resolve, reject) => {
        const id = `${request.id}-${++lastId}`;
        const events: GenerationEvent[] = [];
        const watch = ({ output, finished }: EngineStep): void => {
          for (const each of output) if (each.id === id) events.push(...each.events);
          const end = finished.find((each) => each.id === id);
          if (end === undefined) return;
          watchers.delete(watch);
          resolve({ choices: collectChoices(events), usage: end.usage });
        };
        watchers.add(watch);
        failures.set(id, (error) => {
          watchers.delete(watch);
          reject(error);
        });
        engine.handle({ type: 'generate', request: { ...request, id } });
      }),
    abort: (id) => engine.handle({ type: 'abort', id }),
    call: (call) =>
      new Promise((resolve, reject) => {
        const callId = ++lastId;
        calls.set(callId, { resolve, reject });
        engine.handle({ type: 'call', callId, call });
      }),
    step: (condition) =>
      new Promise((resolve) => {
        const watch = (step: EngineStep): void => {
          if (!condition(step)) return;
          watchers.delete(watch);
          resolve(step);
        };
        watchers.add(watch);
      }),
    close: () => engine.close(),
  };
}
