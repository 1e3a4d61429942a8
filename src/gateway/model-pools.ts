/**
 * Which models there are and who answers them.
 *
 * With `models:` in the config those names are the models, each with its pool of endpoints. Without
 * it, every model that an endpoint reports is one, served by all endpoints that report it; such a
 * model stays known through an outage, so that its callers wait instead of hearing 404.
 */
import type { Config } from '../config/config.ts';
import { UnbusyError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import type { Clock, UpstreamModel } from '../protocol/ports.ts';
import type { Endpoint } from './endpoint.ts';
import { createModelPool, type ModelPool } from './model-pool.ts';

export interface ModelPools {
  /** @throws UnbusyError model_not_found, or upstream_unavailable while no endpoint has said what it serves. */
  find(model: string): ModelPool;
  /** What can be asked for, under the names that callers use. */
  models(): readonly UpstreamModel[];
  all(): readonly ModelPool[];
}

export interface ModelPoolsOptions {
  readonly config: Pick<Config, 'models' | 'queue'>;
  readonly endpoints: readonly Endpoint[];
  readonly clock: Clock;
  readonly random: Random;
  readonly onWaiting: () => void;
  /** A policy threw; the requests go on without it. */
  readonly onFault: (fault: unknown) => void;
}

export function createModelPools(options: ModelPoolsOptions): ModelPools {
  const { config, endpoints, clock, random, onWaiting, onFault } = options;
  const declared = config.models;
  const isDeclared = Object.keys(declared).length > 0;
  const pools = new Map<string, ModelPool>();

  const serves = isDeclared
    ? (endpoint: Endpoint, model: string) =>
        declared[model]?.pool.includes(endpoint.configName) ?? false
    : (endpoint: Endpoint, model: string) => endpoint.models.some(({ id }) => id === model);

  function poolOf(model: string): ModelPool {
    const known = pools.get(model);
    if (known !== undefined) return known;
    const { maxDepth, ageMs } = config.queue;
    const created = createModelPool({
      model,
      endpoints,
      serves,
      clock,
      random,
      maxDepth,
      ageMs,
      onWaiting,
      onFault,
    });
    pools.set(model, created);
    return created;
  }

  /** The model under the caller's name, with what its first endpoint says about it. */
  function describe(model: string): UpstreamModel {
    for (const endpoint of endpoints) {
      if (!serves(endpoint, model)) continue;
      const [only] = endpoint.models;
      const own = endpoint.models.find(({ id }) => id === model) ?? only;
      if (own !== undefined) return { ...own, id: model };
    }
    return { id: model };
  }

  function names(): readonly string[] {
    if (isDeclared) return Object.keys(declared);
    return [...new Set(endpoints.flatMap((endpoint) => endpoint.models.map(({ id }) => id)))];
  }

  return {
    find(model) {
      if (endpoints.some((endpoint) => serves(endpoint, model))) return poolOf(model);
      const unheard = endpoints.filter((endpoint) => endpoint.models.length === 0);
      if (!isDeclared && unheard.length > 0) throw notHeardYet(unheard);
      throw modelNotFound(model, names());
    },
    models: () => names().map(describe),
    all: () => [...pools.values()],
  };
}

function modelNotFound(model: string, known: readonly string[]): UnbusyError {
  const mapping =
    'to serve it under this name, add it to `models:` in unbusy.yaml with a pool of endpoints, ' +
    'or start with --upstream URL of an engine that serves it';
  const message = `there is no model "${model}"; there is ${known.join(', ') || 'none'}; ${mapping}`;
  return new UnbusyError('not_found', 'model_not_found', message, {
    param: 'model',
    retryable: false,
  });
}

function notHeardYet(endpoints: readonly Endpoint[]): UnbusyError {
  const states = endpoints.map((endpoint) => {
    const { state, reason } = endpoint.upstream.status();
    return `${endpoint.name} is ${state}${reason === undefined ? '' : ` (${reason})`}`;
  });
  const message = `no endpoint has said yet which models it serves: ${states.join('; ')}`;
  return new UnbusyError('upstream_unavailable', 'upstream_unavailable', message, {
    retryAfterMs: 2000,
  });
}
