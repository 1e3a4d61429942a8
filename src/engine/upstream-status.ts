/** An engine process as the router and people see it. */
import type { UpstreamStatus } from '../protocol/ports.ts';
import type { EngineProcessState } from './engine-process.ts';
import type { EngineModel } from './protocol.ts';

/** The process's state in the port's words. */
export function upstreamState(state: EngineProcessState): UpstreamStatus['state'] {
  switch (state.kind) {
    case 'starting':
      return state.loadedRatio >= 1 ? 'warming' : 'starting';
    case 'ready':
      return 'ready';
    case 'down':
      // About to be started again: worth waiting for, so nobody is refused meanwhile.
      return state.final ? 'down' : 'starting';
  }
}

/** Why it is not ready, for people. */
export function reasonOf(state: EngineProcessState): string | undefined {
  switch (state.kind) {
    case 'starting':
      return `loading the model (${Math.round(state.loadedRatio * 100)} %)`;
    case 'ready':
      return undefined;
    case 'down':
      return state.final ? state.reason : `${state.reason}; it is started again`;
  }
}

/** One line for people: what answers here, and how large it is. */
export function describeModel(model: EngineModel): string {
  const size =
    model.parameters >= 1e9
      ? `${(model.parameters / 1e9).toFixed(1)} B parameters`
      : `${Math.round(model.parameters / 1e6)} M parameters`;
  const what = model.id === 'pocket-r1' ? 'demonstration model' : model.name;
  return `${what}, ${size}, ${model.quantization}`;
}
