/**
 * The whole program behind its port, wired once by plain calls: config in, running gateway out.
 *
 * Nothing here decides anything; every part is handed what it needs. The port opens before the
 * endpoints start, so that probes are answered while models load.
 */
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { isLoopback } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import { createKeyring } from '../config/keys.ts';
import { createSystemClock } from '../core/clock.ts';
import { UnbusyError } from '../core/errors.ts';
import { systemRandom } from '../core/random.ts';
import type { HttpServer } from '../ingress/http/http-server.ts';
import {
  createAdminServer,
  createIngress,
  type IngressDeps,
} from '../ingress/openai/create-ingress.ts';
import { createExpectedCompletion } from '../policy/admission/expected-completion.ts';
import type { Clock, UpstreamModel } from '../protocol/ports.ts';
import { createFanOut } from '../telemetry/fan-out.ts';
import { createLineBuffer } from '../telemetry/line-buffer.ts';
import { createLogSink } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { createAdmission } from './admission.ts';
import { createEndpoints } from './create-endpoints.ts';
import type { Endpoint } from './endpoint.ts';
import { handleRequest, type RequestPath } from './handle-request.ts';
import { createIdentifier } from './identify.ts';
import { createInFlight } from './in-flight.ts';
import { createModelPools } from './model-pools.ts';
import { createRateLimits } from './rate-limits.ts';
import { createRetries } from './retries.ts';
import { createSideCalls } from './side-calls.ts';
import { createWaitingRoom, type WaitingRoom } from './waiting-room.ts';

export interface GatewayOptions {
  /** Takes log lines, one or several at once, each with its end. */
  readonly write: (lines: string) => void;
  readonly logFormat: 'text' | 'json';
  /** ANSI colours in text form. */
  readonly color: boolean;
  readonly version: string;
}

export interface RunningGateway {
  /** Where callers reach it, without `/v1`. */
  readonly url: string;
  /** What can be asked for now; empty until a first endpoint is ready. */
  models(): readonly UpstreamModel[];
  endpoints(): readonly EndpointState[];
  /** Requests whose answer has not ended. */
  inFlight(): number;
  /** Takes nothing new and lets running answers finish for at most `limitMs`. */
  drain(limitMs: number): Promise<void>;
  /** Ends everything, engines included. */
  close(): Promise<void>;
}

export interface EndpointState {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly reason?: string | undefined;
}

/**
 * Opens the port and starts the endpoints. Resolves once the port is open; endpoints go on starting.
 *
 * @throws UnbusyError port_in_use, or model_unreadable and the like where an endpoint never can serve.
 */
export async function startGateway(
  config: Config,
  options: GatewayOptions,
): Promise<RunningGateway> {
  const clock = createSystemClock();
  const random = systemRandom();
  const metrics = createMetrics({ version: options.version, processMetrics: true });
  const lines = createLineBuffer(options.write, clock);
  const log = createLogSink({
    format: options.logFormat,
    color: options.color,
    write: lines.write,
    now: clock.now,
    level: 'info',
  });
  const telemetry = createFanOut([metrics.sink, log]);
  const endpoints = createEndpoints(config, {
    clock,
    telemetry,
    cores: availableParallelism(),
    cacheDir: cacheDirectory(process.env, homedir()),
  });
  let room: WaitingRoom | undefined;
  const pools = createModelPools({
    config,
    endpoints,
    clock,
    random,
    onWaiting: () => room?.wake(),
    onFault: (fault) => telemetry.note('error', 'policy_fault', { message: String(fault) }),
  });
  room = createWaitingRoom({ clock, pools: pools.all, ...config.queue });
  metrics.observe(() => ({
    queues: pools.all().flatMap((pool) => pool.depths()),
    endpoints: endpoints.map(gauges),
    sinkErrors: telemetry.errors,
  }));

  const identifier = createIdentifier(config, createKeyring(config.keys));
  const path: RequestPath = {
    clock,
    telemetry,
    identifier,
    inFlight: createInFlight(clock),
    admission: createAdmission({
      config,
      pools,
      expected: createExpectedCompletion(),
      rateLimits: createRateLimits(clock),
      clock,
    }),
    retries: createRetries(config.retry.budgetRatio, clock, random),
    running: new Set(),
  };
  const deps: IngressDeps = {
    clock,
    random,
    handleRequest: (call) => handleRequest(path, call),
    limits: {
      bodyBytesMax: config.server.bodyBytesMax,
      callerStallMs: config.server.callerStallMs,
    },
    keepAlive: config.server.keepAlive,
    ...createSideCalls({ pools, endpoints, metrics, identifier, clock }),
    onFault: ({ route, error }) =>
      telemetry.note('error', error.code, { route, message: error.message }),
  };
  const servers = await openPorts(config.server, deps);
  try {
    await startEndpoints(endpoints, clock);
  } catch (error) {
    await closeAll(servers, endpoints);
    throw error;
  }
  return {
    url: servers.url,
    models: () => (endpoints.some(isReady) ? pools.models() : []),
    endpoints: () => endpoints.map(stateOf),
    inFlight: () => servers.main.openRequests,
    drain: (limitMs) => drainWithin(servers.main, path, limitMs),
    async close() {
      await closeAll(servers, endpoints);
      lines.flush();
    },
  };
}

interface Servers {
  readonly url: string;
  readonly main: HttpServer;
  readonly admin: HttpServer | undefined;
}

/**
 * Opens the callers' port. Beyond loopback what operators read (metrics) moves to a port of its own
 * on loopback, so that a key for inference never shows it.
 */
async function openPorts(server: Config['server'], deps: IngressDeps): Promise<Servers> {
  const { host, port, adminPort } = server;
  if (isLoopback(host)) {
    const main = createIngress(deps).server;
    return { url: await open(main, host, port), main, admin: undefined };
  }
  const hidden = { 'GET /metrics': noSuchRoute };
  const main = createIngress({ ...deps, routes: hidden }).server;
  const url = await open(main, host, port);
  const admin = createAdminServer(deps);
  try {
    await open(admin, '127.0.0.1', adminPort);
  } catch (error) {
    await main.close();
    throw error;
  }
  return { url, main, admin };
}

function noSuchRoute(): never {
  const message = 'GET /metrics is served on the admin port of this machine';
  throw new UnbusyError('not_found', 'route_not_found', message, { retryable: false });
}

/** @throws UnbusyError port_in_use, or invalid_request where the address is not this machine's. */
async function open(server: HttpServer, host: string, port: number): Promise<string> {
  try {
    const address = await server.listen({ host, port });
    const shown = host.includes(':') ? `[${host}]` : host;
    return `http://${shown}:${address.port}`;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'EADDRINUSE') {
      throw new UnbusyError('internal', 'port_in_use', `port ${port} on ${host} is taken`, {
        cause,
        facts: { host, port },
      });
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UnbusyError('internal', 'cannot_listen', `cannot listen on ${host}:${port}: ${why}`, {
      cause,
    });
  }
}

/** What an endpoint that can never serve says within this long ends the start, ms. */
const startPatienceMs = 2000;

/** Starts all endpoints; rejects when one says early that it never can serve. */
async function startEndpoints(endpoints: readonly Endpoint[], clock: Clock): Promise<void> {
  const starts = endpoints.map(({ upstream }) => upstream.start());
  const patience = new Promise<void>((resolve) => {
    clock.setTimer(startPatienceMs, resolve);
  });
  await Promise.race([Promise.all(starts), patience]);
  // Later failures show as the endpoint's state.
  for (const start of starts) start.catch(() => {});
}

async function closeAll(servers: Servers, endpoints: readonly Endpoint[]): Promise<void> {
  await Promise.all([
    servers.main.close(),
    servers.admin?.close(),
    ...endpoints.map(({ upstream }) => upstream.close()),
  ]);
}

/** Lets what runs finish; what still runs after `limitMs` is told so and ended. */
async function drainWithin(server: HttpServer, path: RequestPath, limitMs: number): Promise<void> {
  const limit = path.clock.setTimer(limitMs, () => {
    const message = `the server is stopping and the answer took longer than ${limitMs} ms more`;
    for (const request of path.running) {
      request.stop(new UnbusyError('draining', 'draining', message));
    }
  });
  await server.drain();
  limit.cancel();
}

function isReady({ upstream }: Endpoint): boolean {
  return upstream.status().state === 'ready';
}

function stateOf({ name, upstream }: Endpoint): EndpointState {
  const { state, reason } = upstream.status();
  return { name, kind: upstream.kind, state, reason };
}

function gauges({ name, inFlight, upstream }: Endpoint) {
  const { concurrencyMax, kvUsageRatio } = upstream.status();
  return { name, inFlight, concurrencyMax, kvUsageRatio };
}

/** Where measurements are kept between starts, as the XDG base directory specification says. */
function cacheDirectory(env: NodeJS.ProcessEnv, home: string): string {
  return join(env['XDG_CACHE_HOME'] ?? join(home, '.cache'), 'unbusy');
}
