/** The whole request path on a virtual clock; the test plays callers and engines. */
import { createKeyring } from '../../src/config/keys.ts';
import { type Config, configFromFlags } from '../../src/config/load.ts';
import { createVirtualClock } from '../../src/core/clock.ts';
import type { UnbusyError } from '../../src/core/errors.ts';
import { createRandom, type Random } from '../../src/core/random.ts';
import { createAdmission } from '../../src/gateway/admission.ts';
import { createEndpoint } from '../../src/gateway/endpoint.ts';
import { handleRequest } from '../../src/gateway/handle-request.ts';
import { createIdentifier } from '../../src/gateway/identify.ts';
import { createInFlight } from '../../src/gateway/in-flight.ts';
import { createModelPools } from '../../src/gateway/model-pools.ts';
import type { Progress } from '../../src/gateway/progress.ts';
import { createRateLimits } from '../../src/gateway/rate-limits.ts';
import { createRetries } from '../../src/gateway/retries.ts';
import { createWaitingRoom, type WaitingRoom } from '../../src/gateway/waiting-room.ts';
import { createExpectedCompletion } from '../../src/policy/admission/expected-completion.ts';
import {
  type FakeCallOptions,
  type FakeUpstream,
  fakeCall,
  rememberingTelemetry,
} from './fakes.ts';

/** Takes over the `upstreams`; `call` sends a request in. */
export function setUpPath(
  upstreams: readonly FakeUpstream[],
  random: Random = createRandom(1),
  config: Config = configFromFlags({}).config,
) {
  const clock = createVirtualClock(1_000_000);
  const telemetry = rememberingTelemetry();
  const endpoints = upstreams.map((upstream) =>
    createEndpoint({
      upstream,
      configName: upstream.name,
      weight: 1,
      location: 'own',
      timeouts: { firstTokenMs: 60_000, totalMs: 600_000 },
      clock,
    }),
  );
  // Endpoints learn what they serve from a change of state.
  for (const upstream of upstreams) upstream.become({});
  let room: WaitingRoom | undefined;
  const faults: unknown[] = [];
  const onWaiting = () => room?.wake();
  const pools = createModelPools({
    config,
    endpoints,
    clock,
    random,
    onWaiting,
    onFault: (fault) => faults.push(fault),
  });
  room = createWaitingRoom({ clock, pools: pools.all, headersAfterMs: 1000, comments: true });
  const path = {
    clock,
    telemetry,
    identifier: createIdentifier(config, createKeyring(config.keys)),
    inFlight: createInFlight(clock),
    admission: createAdmission({
      config,
      pools,
      expected: createExpectedCompletion(),
      rateLimits: createRateLimits(clock),
      clock,
    }),
    retries: createRetries(0.2, clock, random),
    running: new Set<Progress>(),
  };
  let calls = 0;
  return {
    clock,
    telemetry,
    pools,
    faults,
    /** Ends everything that runs, as a drain does that has lasted too long. */
    stop(error: UnbusyError) {
      for (const request of path.running) request.stop(error);
    },
    call(options: Partial<FakeCallOptions> = {}) {
      calls += 1;
      const call = fakeCall({ atMs: clock.now(), id: `req_${calls}`, ...options });
      return { call, answer: call.answer, done: handleRequest(path, call) };
    },
  };
}

/** Lets everything that is ready to run do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}
