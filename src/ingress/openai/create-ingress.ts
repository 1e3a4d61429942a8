/**
 * The callers' side, wired: HTTP server, OpenAI's routes and ours, on plain functions.
 *
 * `gateway.ts` hands in what answers; nothing here knows a pool, a queue or an engine.
 */
import type { UnbusyError } from '../../core/errors.ts';
import { createIds } from '../../core/ids.ts';
import type { Random } from '../../core/random.ts';
import type { Call } from '../../protocol/caller.ts';
import type { Clock } from '../../protocol/ports.ts';
import type { HttpHandler } from '../http/http-request.ts';
import { createHttpServer, type HttpLimits, type HttpServer } from '../http/http-server.ts';
import {
  createOpenAiCall,
  createPlainCall,
  type GenerationCallOptions,
} from './generation-call.ts';
import { createRefuse } from './refuse.ts';
import { createSideRoutes, type SideRouteDeps } from './side-routes.ts';

export interface IngressDeps extends Omit<SideRouteDeps, 'defaultModel' | 'startedAtMs'> {
  readonly clock: Clock;
  readonly random: Random;
  /** The request path; never rejects. */
  readonly handleRequest: (call: Call) => Promise<void>;
  readonly limits?: Partial<HttpLimits>;
  /** `server.keep_alive`: white space towards callers who wait for a whole answer. */
  readonly keepAlive: 'off' | 'whitespace';
  /** Further routes (admin, console); they win over ours of the same name. */
  readonly routes?: Readonly<Record<string, HttpHandler>>;
  /** A handler broke outside of the request path. */
  readonly onFault: (fault: { readonly route: string; readonly error: UnbusyError }) => void;
}

export interface Ingress {
  readonly server: HttpServer;
}

/** What operators read on a port of its own, where callers come from beyond this machine. */
export function createAdminServer(deps: IngressDeps): HttpServer {
  const { clock, random } = deps;
  const refuse = createRefuse(random);
  const side = createSideRoutes({
    ...deps,
    defaultModel: () => undefined,
    startedAtMs: clock.now(),
  });
  const shown = ['GET /healthz', 'GET /readyz', 'GET /metrics'];
  return createHttpServer({
    routes: Object.fromEntries(Object.entries(side).filter(([route]) => shown.includes(route))),
    clock,
    newRequestId: createIds(random).request,
    limits: deps.limits ?? {},
    refuse: (stream, error, _path, headers) => refuse(stream, error, headers),
    onFault: deps.onFault,
  });
}

export function createIngress(deps: IngressDeps): Ingress {
  const { clock, random, handleRequest } = deps;
  const ids = createIds(random);
  const refuse = createRefuse(random);
  const defaultModel = () => {
    const models = deps.models();
    return models.length === 1 ? models[0]?.id : undefined;
  };
  const calls: GenerationCallOptions = {
    clock,
    ids,
    keepAlive: deps.keepAlive === 'whitespace',
    refuse,
    defaultModel,
  };
  const server = createHttpServer({
    routes: {
      'POST /v1/chat/completions': (http) => handleRequest(createOpenAiCall(http, 'chat', calls)),
      'POST /v1/completions': (http) => handleRequest(createOpenAiCall(http, 'completion', calls)),
      'POST /generate': (http) => handleRequest(createPlainCall(http, calls)),
      ...createSideRoutes({ ...deps, defaultModel, startedAtMs: clock.now() }),
      ...deps.routes,
    },
    clock,
    newRequestId: ids.request,
    limits: deps.limits ?? {},
    refuse: (stream, error, _path, headers) => refuse(stream, error, headers),
    onFault: deps.onFault,
  });
  return { server };
}
