/**
 * The metrics page: what the request path tells about itself, in Prometheus form.
 *
 * Counters and histograms grow as events come in; gauges are read from the gateway when somebody
 * scrapes (`observe`), so that nothing on the request path keeps them up to date. Names follow
 * OpenTelemetry's GenAI conventions where one exists and begin with `unbusy_` elsewhere; labels are
 * bounded (`label-bound.ts`). The state lives in one prom-client registry per `createMetrics`.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Usage } from '../protocol/generation.ts';
import type { EngineStepStats, RequestRecord, TelemetrySink } from '../protocol/telemetry.ts';
import { type BatchEfficiency, createBatchEfficiency } from './batch-efficiency.ts';
import { createLabelBound } from './label-bound.ts';

/** How things stand, asked for at each scrape. */
export interface MetricsSnapshot {
  readonly queues: readonly {
    readonly model: string;
    readonly requestClass: string;
    readonly depth: number;
  }[];
  readonly endpoints: readonly {
    readonly name: string;
    readonly inFlight: number;
    readonly concurrencyMax: number;
    /** 0 … 1 where the engine tells. */
    readonly kvUsageRatio?: number | undefined;
  }[];
  /** Events lost so far because a telemetry sink threw (`fan-out.ts`). */
  readonly sinkErrors: number;
}

export interface Metrics {
  readonly sink: TelemetrySink;
  /** Where the gauges come from; the last source given counts. */
  observe(source: () => MetricsSnapshot): void;
  /** The page in Prometheus' text form. */
  text(): Promise<string>;
  /** Its content type. */
  readonly contentType: string;
}

export interface MetricsOptions {
  readonly version: string;
  /** Distinct models told apart. */
  readonly modelsMax?: number;
  /** Distinct tenants told apart. */
  readonly tenantsMax?: number;
  /** Also CPU, memory, garbage collection and event loop lag of this process. */
  readonly processMetrics?: boolean;
}

/** A 0/1 gauge each, so that an alert can name the state. */
const endpointStates = [
  'ready',
  'warming',
  'degraded',
  'draining',
  'open',
  'half_open',
  'down',
] as const;

/** OpenTelemetry's advice for `gen_ai.server.*`, continued to the minutes that reasoning takes. */
const firstTokenBuckets = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120,
];
const perTokenBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5,
];
const durationBuckets = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84,
  327.68, 655.36, 1310.72,
];
const queueWaitBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 3600];
const predictionBuckets = [0.1, 0.25, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 4, 10];
const batchSizeBuckets = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256];
/** Below this a wait is none, and the ratio of two such waits says nothing. */
const noWaitMs = 100;

const modelsMaxDefault = 20;
const tenantsMaxDefault = 50;
const resultsMax = 30;

/** Builds the registry and the sink that fills it. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  if (options.processMetrics === true) collectDefaultMetrics({ register: registry });
  const instruments = createInstruments(registry);
  instruments.buildInfo.set({ version: options.version }, 1);
  const bounds = {
    models: createLabelBound(options.modelsMax ?? modelsMaxDefault),
    tenants: createLabelBound(options.tenantsMax ?? tenantsMaxDefault),
    results: createLabelBound(resultsMax),
  };
  const efficiencies = new Map<string, BatchEfficiency>();
  let source: (() => MetricsSnapshot) | undefined;

  return {
    sink: {
      requestSettled: (record) => countRequest(instruments, bounds, record),
      engineStep(endpoint, step) {
        let efficiency = efficiencies.get(endpoint);
        if (efficiency === undefined) {
          efficiency = createBatchEfficiency();
          efficiencies.set(endpoint, efficiency);
        }
        countStep(instruments, endpoint, step, efficiency);
      },
      endpointState(endpoint, state) {
        const shown = state === 'starting' ? 'warming' : state;
        for (const one of endpointStates) {
          instruments.endpointState.set({ endpoint, state: one }, one === shown ? 1 : 0);
        }
      },
      note(level, code) {
        if (level === 'error') instruments.faults.inc({ code });
      },
    },
    observe(next) {
      source = next;
    },
    async text() {
      if (source !== undefined) setGauges(instruments, source());
      return await registry.metrics();
    },
    contentType: registry.contentType,
  };
}

type Instruments = ReturnType<typeof createInstruments>;

/** Every metric of ours, registered; docs/reference/metrics.md is written from them. */
export function createInstruments(registry: Registry) {
  return {
    ...createRequestInstruments(registry),
    ...createEndpointInstruments(registry),
    buildInfo: new Gauge({
      name: 'unbusy_build_info',
      help: 'Always 1; the version is in the label.',
      labelNames: ['version'],
      registers: [registry],
    }),
    sinkErrors: new Counter({
      name: 'unbusy_telemetry_errors_total',
      help: 'Telemetry events lost because a sink failed.',
      registers: [registry],
    }),
  };
}

function createRequestInstruments(registry: Registry) {
  const registers = [registry];
  const genAi = ['gen_ai_request_model', 'gen_ai_operation_name'] as const;
  return {
    requests: new Counter({
      name: 'unbusy_requests_total',
      help: 'Requests by how they ended; each is counted once.',
      labelNames: ['outcome', 'model', 'class', 'tenant'],
      registers,
    }),
    tokens: new Counter({
      name: 'unbusy_tokens_total',
      help: 'Tokens; the kinds add up. cached: prompt tokens that were in a KV cache already.',
      labelNames: ['kind'],
      registers,
    }),
    queueWait: new Histogram({
      name: 'unbusy_queue_wait_seconds',
      help: 'Time in our queue of requests that reached an endpoint.',
      labelNames: ['class'],
      buckets: queueWaitBuckets,
      registers,
    }),
    predictionRatio: new Histogram({
      name: 'unbusy_queue_wait_prediction_ratio',
      help: 'Predicted wait divided by the real one, where either was over 0.1 s; 1 is exact.',
      buckets: predictionBuckets,
      registers,
    }),
    attempts: new Counter({
      name: 'unbusy_attempts_total',
      help: 'Attempts on endpoints by result.',
      labelNames: ['result'],
      registers,
    }),
    firstToken: new Histogram({
      name: 'gen_ai_server_time_to_first_token_seconds',
      help: 'From arrival to the first byte of the answer, queue included.',
      labelNames: genAi,
      buckets: firstTokenBuckets,
      registers,
    }),
    perToken: new Histogram({
      name: 'gen_ai_server_time_per_output_token_seconds',
      help: 'Mean time per token after the first.',
      labelNames: genAi,
      buckets: perTokenBuckets,
      registers,
    }),
    duration: new Histogram({
      name: 'gen_ai_server_request_duration_seconds',
      help: 'From arrival to the end of the answer, for requests that were answered.',
      labelNames: genAi,
      buckets: durationBuckets,
      registers,
    }),
  };
}

function createEndpointInstruments(registry: Registry) {
  const registers = [registry];
  const labelNames = ['endpoint'] as const;
  return {
    queueDepth: new Gauge({
      name: 'unbusy_queue_depth',
      help: 'Requests waiting in our queue.',
      labelNames: ['model', 'class'],
      registers,
    }),
    inFlight: new Gauge({
      name: 'unbusy_endpoint_inflight',
      help: 'Requests of ours on the endpoint.',
      labelNames,
      registers,
    }),
    concurrencyLimit: new Gauge({
      name: 'unbusy_endpoint_concurrency_limit',
      help: 'Requests that may be on the endpoint at once.',
      labelNames,
      registers,
    }),
    endpointState: new Gauge({
      name: 'unbusy_endpoint_state',
      help: '1 for the state that the endpoint is in.',
      labelNames: ['endpoint', 'state'],
      registers,
    }),
    batchSize: new Histogram({
      name: 'unbusy_batch_size',
      help: 'Sequences decoded together, by step of the engine.',
      labelNames,
      buckets: batchSizeBuckets,
      registers,
    }),
    stepSeconds: new Counter({
      name: 'unbusy_engine_step_seconds_total',
      help: 'Wall time of the step loop of an embedded engine, by what it was spent on.',
      labelNames: ['endpoint', 'phase'] as const,
      registers,
    }),
    faults: new Counter({
      name: 'unbusy_faults_total',
      help: 'Faults of our own or of an endpoint that were noted and survived, by code.',
      labelNames: ['code'] as const,
      registers,
    }),
    batchEfficiency: new Gauge({
      name: 'unbusy_batch_efficiency_ratio',
      help: 'Tokens decoded divided by the slots that present work could have filled, last steps.',
      labelNames,
      registers,
    }),
    kvUsage: new Gauge({
      name: 'unbusy_kv_cache_usage_ratio',
      help: 'Used part of the KV cache.',
      labelNames,
      registers,
    }),
  };
}

interface Bounds {
  readonly models: ReturnType<typeof createLabelBound>;
  readonly tenants: ReturnType<typeof createLabelBound>;
  readonly results: ReturnType<typeof createLabelBound>;
}

function countRequest(to: Instruments, bounds: Bounds, record: RequestRecord): void {
  const placed = record.attempts.length > 0;
  const answered = ['completed', 'cached', 'coalesced'].includes(record.outcome);
  // A model that nothing was sent to may be a name that the caller made up.
  const model = bounds.models.label(record.model, placed || answered);
  to.requests.inc({
    outcome: record.outcome,
    model,
    class: record.requestClass,
    tenant: bounds.tenants.label(record.tenant, true),
  });
  for (const { result } of record.attempts) {
    to.attempts.inc({ result: bounds.results.label(result, true) });
  }
  if (placed) countWait(to, record);
  if (record.usage !== undefined) countTokens(to, record.usage);
  const labels = { gen_ai_request_model: model, gen_ai_operation_name: operation(record.route) };
  if (record.firstTokenMs !== undefined) to.firstToken.observe(labels, record.firstTokenMs / 1_000);
  if (!answered) return;
  to.duration.observe(labels, record.durationMs / 1_000);
  const tokensAfterFirst = (record.usage?.completionTokens ?? 0) - 1;
  if (record.stream && record.firstTokenMs !== undefined && tokensAfterFirst > 0) {
    const ms = (record.durationMs - record.firstTokenMs) / tokensAfterFirst;
    to.perToken.observe(labels, ms / 1_000);
  }
}

function countWait(to: Instruments, record: RequestRecord): void {
  const { queueMs, predictedQueueMs } = record;
  to.queueWait.observe({ class: record.requestClass }, queueMs / 1_000);
  if (Math.max(queueMs, predictedQueueMs) < noWaitMs) return;
  to.predictionRatio.observe(Math.max(predictedQueueMs, 1) / Math.max(queueMs, 1));
}

function countTokens(to: Instruments, usage: Usage): void {
  to.tokens.inc({ kind: 'prompt' }, Math.max(0, usage.promptTokens - usage.cachedTokens));
  to.tokens.inc({ kind: 'cached' }, usage.cachedTokens);
  to.tokens.inc({ kind: 'reasoning' }, usage.reasoningTokens);
  to.tokens.inc({ kind: 'answer' }, Math.max(0, usage.completionTokens - usage.reasoningTokens));
}

function countStep(
  to: Instruments,
  endpoint: string,
  step: EngineStepStats,
  efficiency: BatchEfficiency,
): void {
  to.kvUsage.set({ endpoint }, step.kvUsageRatio);
  to.stepSeconds.inc({ endpoint, phase: 'decode' }, step.decodeMs / 1000);
  to.stepSeconds.inc({ endpoint, phase: 'prefill' }, step.prefillMs / 1000);
  to.stepSeconds.inc({ endpoint, phase: 'sample' }, step.sampleMs / 1000);
  if (step.batchSize === 0) return;
  to.batchSize.observe({ endpoint }, step.batchSize);
  to.batchEfficiency.set({ endpoint }, efficiency.observe(step));
}

function setGauges(to: Instruments, snapshot: MetricsSnapshot): void {
  for (const gauge of [to.queueDepth, to.inFlight, to.concurrencyLimit]) gauge.reset();
  for (const { model, requestClass, depth } of snapshot.queues) {
    to.queueDepth.set({ model, class: requestClass }, depth);
  }
  for (const { name, inFlight, concurrencyMax, kvUsageRatio } of snapshot.endpoints) {
    to.inFlight.set({ endpoint: name }, inFlight);
    to.concurrencyLimit.set({ endpoint: name }, concurrencyMax);
    if (kvUsageRatio !== undefined) to.kvUsage.set({ endpoint: name }, kvUsageRatio);
  }
  to.sinkErrors.reset();
  to.sinkErrors.inc(snapshot.sinkErrors);
}

/** `gen_ai.operation.name` of a route. */
function operation(route: string): string {
  if (route.includes('/chat/completions')) return 'chat';
  return route.includes('/embeddings') ? 'embeddings' : 'text_completion';
}
