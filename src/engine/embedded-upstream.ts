/**
 * The embedded engine as an upstream: one engine process, one endpoint.
 *
 * Dispatch sends the request over the socket; each step's message brings the new text of all
 * requests. When the process dies, requests that had no text yet were not placed, as far as their
 * caller can tell, and go back to the queue; the others end in a break that may be continued.
 */
import { toUnbusyError, UnbusyError } from '../core/errors.ts';
import type { GenerationEvent, GenerationRequest } from '../protocol/generation.ts';
import type {
  Clock,
  Exchange,
  PromptSize,
  Upstream,
  UpstreamError,
  UpstreamHandler,
  UpstreamStatus,
} from '../protocol/ports.ts';
import type { TelemetrySink } from '../protocol/telemetry.ts';
import { fromWire } from './engine-error.ts';
import {
  createEngineProcess,
  type EngineLoss,
  type EngineProcess,
  type EngineProcessState,
  type EngineReply,
} from './engine-process.ts';
import type {
  EngineCall,
  EngineModel,
  EngineOptions,
  EngineRequest,
  EngineStep,
} from './protocol.ts';
import { createRateMeter } from './rate-meter.ts';
import { slotCount } from './replicas.ts';
import { describeModel, reasonOf, upstreamState } from './upstream-status.ts';

export interface EmbeddedUpstreamOptions {
  readonly name: string;
  readonly engine: EngineOptions;
  readonly telemetry: TelemetrySink;
  readonly clock: Clock;
}

/** What this upstream offers beyond the port. */
export interface EmbeddedUpstream extends Upstream {
  measure(request: GenerationRequest): Promise<PromptSize | undefined>;
  tokenize(
    text: string,
    options: { readonly addSpecial: boolean; readonly parseSpecial: boolean },
  ): Promise<readonly number[]>;
  detokenize(tokens: readonly number[]): Promise<string>;
  render(request: GenerationRequest): Promise<string>;
  /** The running engine process; changes with every restart. */
  readonly pid: number | undefined;
}

/** An upstream over an engine process of its own, started by `start()`. */
export function createEmbeddedUpstream(options: EmbeddedUpstreamOptions): EmbeddedUpstream {
  return new Embedded(options);
}

/** One attempt in the engine. */
interface Attempt {
  readonly handler: UpstreamHandler;
  readonly streaming: boolean;
  /** Text has come. */
  delivered: boolean;
  paused: boolean;
  /** What came while paused; bounded by the context's length. */
  held: (() => void)[];
}

interface PendingCall {
  resolve(value: unknown): void;
  reject(error: UnbusyError): void;
}

class Embedded implements EmbeddedUpstream {
  readonly name: string;
  readonly kind = 'embedded';
  readonly #options: EmbeddedUpstreamOptions;
  readonly #process: EngineProcess;
  readonly #attempts = new Map<string, Attempt>();
  readonly #calls = new Map<number, PendingCall>();
  readonly #listeners = new Set<() => void>();
  readonly #rate = createRateMeter();
  #model: EngineModel | undefined;
  #kvUsageRatio = 0;
  #lastId = 0;
  #toldState: UpstreamStatus['state'] | undefined;

  constructor(options: EmbeddedUpstreamOptions) {
    this.name = options.name;
    this.#options = options;
    this.#process = createEngineProcess({
      engine: options.engine,
      clock: options.clock,
      onState: (state) => this.#stateChanged(state),
      onReply: (reply) => this.#receive(reply),
      onLost: (loss) => this.#lost(loss),
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  async start(): Promise<void> {
    await this.#process.start();
  }

  status(): UpstreamStatus {
    const { engine, clock } = this.#options;
    const { state } = this.#process;
    const model = this.#model;
    return {
      state: upstreamState(state),
      reason: reasonOf(state),
      models: [
        {
          id: engine.modelId,
          contextTokens: model?.contextTokens,
          description: model && describeModel(model),
          parameters: model?.parameters,
          ownedBy: 'unbusy',
        },
      ],
      concurrencyMax: model?.slots ?? slotCount(engine.batching),
      kvUsageRatio: this.#kvUsageRatio,
      tokensPerSecond: this.#rate.perSecond(clock.now()),
    };
  }

  onStatusChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  dispatch(
    request: GenerationRequest,
    _output: 'bytes' | 'events',
    handler: UpstreamHandler,
  ): Exchange {
    const id = `${request.id}#${++this.#lastId}`;
    const attempt: Attempt = {
      handler,
      streaming: request.stream,
      delivered: false,
      paused: false,
      held: [],
    };
    this.#attempts.set(id, attempt);
    const problem = this.#problemWith(request);
    if (problem !== undefined) {
      queueMicrotask(() => this.#fail(id, problem));
    } else if (
      !this.#process.send({ type: 'generate', request: { ...engineRequest(request), id } })
    ) {
      queueMicrotask(() => this.#fail(id, notReady(this.name, this.#process.state)));
    }
    return {
      abort: () => {
        if (this.#attempts.delete(id)) this.#process.send({ type: 'abort', id });
        attempt.held = [];
      },
      pause: () => {
        attempt.paused = true;
      },
      resume: () => {
        attempt.paused = false;
        while (!attempt.paused) {
          const next = attempt.held.shift();
          if (next === undefined) return;
          next();
        }
      },
    };
  }

  async measure(request: GenerationRequest): Promise<PromptSize | undefined> {
    if (this.#process.state.kind !== 'ready') return undefined;
    return (await this.#call({ name: 'measure', request: engineRequest(request) })) as PromptSize;
  }

  async render(request: GenerationRequest): Promise<string> {
    return (await this.#call({ name: 'render', request: engineRequest(request) })) as string;
  }

  async tokenize(
    text: string,
    options: { readonly addSpecial: boolean; readonly parseSpecial: boolean },
  ): Promise<readonly number[]> {
    return (await this.#call({ name: 'tokenize', text, ...options })) as number[];
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    return (await this.#call({ name: 'detokenize', tokens })) as string;
  }

  async close(): Promise<void> {
    await this.#process.close();
  }

  #call(call: EngineCall): Promise<unknown> {
    const callId = ++this.#lastId;
    return new Promise((resolve, reject) => {
      if (!this.#process.send({ type: 'call', callId, call })) {
        reject(notReady(this.name, this.#process.state).error);
        return;
      }
      this.#calls.set(callId, { resolve, reject });
    });
  }

  #receive(reply: EngineReply): void {
    switch (reply.type) {
      case 'step':
        this.#step(reply.step);
        return;
      case 'failed': {
        const error = fromWire(reply.error);
        const callerFault = error.kind === 'invalid_request';
        const delivered = this.#attempts.get(reply.id)?.delivered ?? false;
        const begun = delivered ? 'streaming' : 'started';
        this.#fail(reply.id, { stage: callerFault ? 'not_placed' : begun, error, callerFault });
        return;
      }
      case 'answer':
        this.#calls.get(reply.callId)?.resolve(reply.value);
        this.#calls.delete(reply.callId);
        return;
      case 'callFailed':
        this.#calls.get(reply.callId)?.reject(fromWire(reply.error));
        this.#calls.delete(reply.callId);
        return;
    }
  }

  #step(step: EngineStep): void {
    const { telemetry, clock } = this.#options;
    this.#kvUsageRatio = step.kvUsageRatio;
    this.#rate.add(step.batchSize, clock.now());
    telemetry.engineStep(this.name, step);
    for (const { id } of step.started) {
      this.#tell(id, ({ handler, streaming }) =>
        handler.onStart({ form: 'events', streaming, model: this.#options.engine.modelId }),
      );
    }
    for (const { id, events } of step.output) this.#tellEvents(id, events);
    for (const { id, usage } of step.finished) {
      this.#tell(id, ({ handler }) => {
        this.#attempts.delete(id);
        handler.onEnd({ usage });
      });
    }
  }

  #tellEvents(id: string, events: readonly GenerationEvent[]): void {
    this.#tell(id, (attempt) => {
      attempt.delivered = true;
      attempt.handler.onEvents(events);
    });
  }

  /** Calls the handler now, or when the caller can take more; never after the attempt has ended. */
  #tell(id: string, call: (attempt: Attempt) => void): void {
    const attempt = this.#attempts.get(id);
    if (attempt === undefined) return;
    if (!attempt.paused) {
      call(attempt);
      return;
    }
    attempt.held.push(() => {
      if (this.#attempts.has(id)) call(attempt);
    });
  }

  #fail(id: string, failure: UpstreamError): void {
    this.#tell(id, ({ handler }) => {
      this.#attempts.delete(id);
      handler.onError(failure);
    });
  }

  #lost({ reason, expected }: EngineLoss): void {
    const error = new UnbusyError('upstream_unavailable', 'engine_lost', reason);
    for (const [id, { delivered }] of [...this.#attempts]) {
      const stage = delivered ? 'streaming' : 'not_placed';
      this.#fail(id, { stage, error, callerFault: false });
    }
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
    this.#kvUsageRatio = 0;
    if (!expected) {
      const lastLines = this.#process.lastLogLines().slice(-5);
      this.#options.telemetry.note('error', 'engine_lost', {
        endpoint: this.name,
        reason,
        lastLines,
      });
    }
  }

  #stateChanged(state: EngineProcessState): void {
    if (state.kind === 'ready') this.#model = state.model;
    const told = upstreamState(state);
    if (told === this.#toldState) return;
    this.#toldState = told;
    this.#options.telemetry.endpointState(this.name, told, reasonOf(state));
    for (const listener of this.#listeners) listener();
  }

  /** What this model can never do, known before the engine is asked. */
  #problemWith(request: GenerationRequest): UpstreamError | undefined {
    try {
      checkContent(request);
      if (request.tools.length > 0 && this.#model?.supportsTools === false) {
        throw new UnbusyError(
          'invalid_request',
          'unsupported_parameter',
          `tools cannot be used: the chat template of ${this.#model.id} has no place for them`,
          { param: 'tools' },
        );
      }
      return undefined;
    } catch (thrown) {
      return { stage: 'not_placed', error: toUnbusyError(thrown), callerFault: true };
    }
  }
}

/** What the engine needs of a request. */
function engineRequest(request: GenerationRequest): EngineRequest {
  const { wire: _wire, stream: _stream, model: _model, ...rest } = request;
  return rest;
}

function checkContent(request: GenerationRequest): void {
  for (const input of request.inputs) {
    if (input.kind !== 'chat') continue;
    for (const { content } of input.messages) {
      for (const part of content) {
        if (part.kind === 'text') continue;
        throw new UnbusyError(
          'invalid_request',
          'unsupported_content',
          `content of type ${JSON.stringify(part.type)} cannot be used: this model takes text only`,
          { param: part.path },
        );
      }
    }
  }
}

function notReady(name: string, state: EngineProcessState): UpstreamError {
  const why = reasonOf(state) ?? 'it is not ready';
  const error = new UnbusyError('upstream_unavailable', 'engine_not_ready', `${name}: ${why}`);
  return { stage: 'not_placed', error, callerFault: false };
}
