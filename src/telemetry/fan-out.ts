/**
 * Several sinks as one. A sink that throws loses the event it threw on; the others and the request
 * path do not notice, and the loss is counted.
 */
import type { TelemetrySink } from '../protocol/telemetry.ts';

export interface FanOut extends TelemetrySink {
  /** Events that a sink has thrown on, all sinks together. */
  readonly errors: number;
}

/** Passes every event to each of `sinks`, in their order. */
export function createFanOut(sinks: readonly TelemetrySink[]): FanOut {
  let errors = 0;
  function each(tell: (sink: TelemetrySink) => void): void {
    for (const sink of sinks) {
      try {
        tell(sink);
      } catch {
        errors += 1;
      }
    }
  }
  return {
    requestSettled: (record) => each((sink) => sink.requestSettled(record)),
    engineStep: (endpoint, step) => each((sink) => sink.engineStep(endpoint, step)),
    endpointState: (endpoint, state, reason) =>
      each((sink) => sink.endpointState(endpoint, state, reason)),
    note: (level, code, facts) => each((sink) => sink.note(level, code, facts)),
    get errors() {
      return errors;
    },
  };
}
