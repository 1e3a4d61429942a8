/**
 * What is asked beside generation: models, tokens, embeddings, readiness, metrics, rights.
 *
 * Plain functions for the ingress. Each picks an endpoint of the model that is ready and able; none
 * of them queues, because none of them makes an engine generate.
 */
import { UnbusyError } from '../core/errors.ts';
import type { SideRouteDeps } from '../ingress/openai/side-routes.ts';
import type { Clock, Upstream } from '../protocol/ports.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Endpoint } from './endpoint.ts';
import type { Identifier } from './identify.ts';
import type { ModelPools } from './model-pools.ts';

export interface SideCallOptions {
  readonly pools: ModelPools;
  readonly endpoints: readonly Endpoint[];
  readonly metrics: Metrics;
  readonly identifier: Identifier;
  readonly clock: Clock;
}

type SideCalls = Omit<SideRouteDeps, 'defaultModel' | 'startedAtMs'>;

export function createSideCalls(options: SideCallOptions): SideCalls {
  const { pools, endpoints, metrics, identifier, clock } = options;

  function able<Method extends keyof Upstream>(
    model: string,
    method: Method,
    missing: string,
  ): Upstream & Required<Pick<Upstream, Method>> {
    const candidates = pools.find(model).endpoints();
    const ready = candidates.filter(({ upstream }) => upstream.status().state === 'ready');
    for (const { upstream } of ready) {
      if (can(upstream, method)) return upstream;
    }
    if (ready.length === 0) {
      throw new UnbusyError(
        'upstream_unavailable',
        'upstream_unavailable',
        `no endpoint of ${model} is ready`,
        { retryAfterMs: 1000 },
      );
    }
    throw new UnbusyError('not_found', 'not_implemented', missing, { retryable: false });
  }

  return {
    models: pools.models,
    readiness: () => ({
      ready: endpoints.some(({ upstream }) => upstream.status().state === 'ready'),
      waitingFor: endpoints
        .map((endpoint) => ({ endpoint: endpoint.name, ...endpoint.upstream.status() }))
        .filter(({ state }) => state !== 'ready')
        .map(({ endpoint, state, reason }) => ({ endpoint, state, reason })),
    }),
    async tokenize(request) {
      const missing = `no endpoint of ${request.model} lets its tokenizer be asked`;
      const upstream = able(request.model, 'tokenize', missing);
      const model = pools.models().find(({ id }) => id === request.model);
      const contextTokens = model?.contextTokens;
      if (request.kind === 'text') {
        const { text, addSpecial } = request;
        const tokens = await upstream.tokenize(text, { addSpecial, parseSpecial: true });
        return { tokens, contextTokens };
      }
      const renderer = able(request.model, 'render', missing);
      const text = await renderer.render(request.request);
      // The template writes the begin-of-text token itself.
      const tokens = await upstream.tokenize(text, { addSpecial: false, parseSpecial: true });
      return { tokens, contextTokens };
    },
    async detokenize({ model, tokens }) {
      const missing = `no endpoint of ${model} lets its tokenizer be asked`;
      return await able(model, 'detokenize', missing).detokenize(tokens);
    },
    async embed({ model, body }) {
      const missing =
        `${model} makes no embeddings here: they need an endpoint over HTTP whose engine serves ` +
        'an embedding model';
      return await able(model, 'forward', missing).forward('/embeddings', body);
    },
    metrics: () => metrics.text(),
    authorize(caller, scope) {
      identifier.identify(caller, scope, clock.now());
    },
  };
}

function can<Method extends keyof Upstream>(
  upstream: Upstream,
  method: Method,
): upstream is Upstream & Required<Pick<Upstream, Method>> {
  return upstream[method] !== undefined;
}
