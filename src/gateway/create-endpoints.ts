/**
 * From the config's endpoints to running ones: one object literal says how each kind is made.
 *
 * Adding an upstream kind is one file under `src/upstream` (or `src/engine`) and one line here.
 */
import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Config, EmbeddedEndpointConfig, HttpEndpointConfig } from '../config/config.ts';
import { UnbusyError } from '../core/errors.ts';
import { createEmbeddedUpstream } from '../engine/embedded-upstream.ts';
import { resolveReplicas } from '../engine/replicas.ts';
import type { Clock, Upstream } from '../protocol/ports.ts';
import type { TelemetrySink } from '../protocol/telemetry.ts';
import { createOpenAiUpstream } from '../upstream/openai-upstream.ts';
import { createEndpoint, type Endpoint } from './endpoint.ts';

export interface EndpointContext {
  readonly clock: Clock;
  readonly telemetry: TelemetrySink;
  /** Cores that engine processes may use. */
  readonly cores: number;
  /** Where engines keep what they measured at start. */
  readonly cacheDir: string | undefined;
}

/** The demonstration model lies beside the program, in a clone and in the package alike. */
const builtInModels: Readonly<Record<string, string>> = {
  'pocket-r1': join(import.meta.dirname, '..', '..', 'models', 'pocket-r1', 'pocket-r1-q8_0.gguf'),
};

/** Every endpoint of the config, replicas of an engine counted as endpoints of their own. */
export function createEndpoints(config: Config, context: EndpointContext): readonly Endpoint[] {
  return Object.entries(config.endpoints).flatMap(([name, endpoint]) => {
    const upstreams =
      endpoint.kind === 'embedded'
        ? embeddedUpstreams(name, endpoint, context)
        : [httpUpstream(name, endpoint, context)];
    const location = endpoint.kind === 'embedded' ? 'own' : endpoint.location;
    return upstreams.map((upstream) =>
      createEndpoint({
        upstream,
        configName: name,
        weight: endpoint.weight,
        location,
        timeouts: endpoint.timeouts,
        clock: context.clock,
      }),
    );
  });
}

function httpUpstream(
  name: string,
  endpoint: HttpEndpointConfig,
  { clock, telemetry }: EndpointContext,
): Upstream {
  const { concurrency, timeouts } = endpoint;
  return createOpenAiUpstream({
    name,
    kind: endpoint.kind,
    url: endpoint.url,
    key: endpoint.key?.reveal(),
    headers: Object.fromEntries(
      Object.entries(endpoint.headers).map(([header, value]) => [header, value.reveal()]),
    ),
    upstreamModel: endpoint.upstreamModel,
    timeouts,
    concurrencyMax: concurrency.max === 'auto' ? undefined : concurrency.max,
    clock,
    telemetry,
  });
}

function embeddedUpstreams(
  name: string,
  endpoint: EmbeddedEndpointConfig,
  { clock, telemetry, cores, cacheDir }: EndpointContext,
): readonly Upstream[] {
  const modelPath = builtInModels[endpoint.model] ?? endpoint.model;
  const modelBytes = sizeOf(modelPath);
  const replicas = resolveReplicas({ replicas: endpoint.replicas, modelBytes, cores });
  const batching = endpoint.dynamicBatching;
  const engine = {
    modelPath,
    modelId: modelIdOf(endpoint.model),
    threads: endpoint.threads === 'auto' && replicas > 1 ? 1 : endpoint.threads,
    flashAttention: endpoint.flashAttention,
    gpuLayers: endpoint.gpuLayers,
    contextTokens: endpoint.contextTokens,
    batching: {
      enabled: batching.enabled,
      maxBatchSize: batching.maxBatchSize,
      preferredBatchSizes: batching.preferredBatchSize,
      maxQueueDelayMs: batching.maxQueueDelayMs,
      stepBudgetMs: batching.stepBudgetMs,
    },
    warmup: endpoint.warmup,
    cacheDir,
  };
  return Array.from({ length: replicas }, (_, index) =>
    createEmbeddedUpstream({
      name: replicas === 1 ? name : `${name}-${index + 1}`,
      engine,
      clock,
      telemetry,
    }),
  );
}

/** `pocket-r1`, or the file's name without its ending and without the number of a first shard. */
function modelIdOf(model: string): string {
  return basename(model)
    .replace(/\.gguf$/i, '')
    .replace(/-00001-of-\d+$/, '');
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (cause) {
    const message = `cannot read the model file ${path}: ${cause instanceof Error ? cause.message : cause}`;
    throw new UnbusyError('invalid_request', 'model_unreadable', message, { cause });
  }
}
