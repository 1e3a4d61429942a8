/** One request while its choices are generated: what is common to them, and its usage. */
import type { Usage } from '../protocol/generation.ts';
import type { EngineRequest } from './protocol.ts';
import type { Sequence } from './sequence.ts';

export interface RunningRequest {
  readonly request: EngineRequest;
  readonly arrivedAtMs: number;
  readonly promptTokens: number;
  /** Every choice; those that ended stay, for the usage. */
  readonly sequences: Sequence[];
  cachedTokens: number;
  /** Generation has begun and was announced. */
  started: boolean;
  /** Left by its caller, failed or finished: nothing more is told of it. */
  closed: boolean;
}

/** Usage so far, all choices together. */
export function usageOf(request: RunningRequest): Usage {
  let completionTokens = 0;
  let reasoningTokens = 0;
  for (const sequence of request.sequences) {
    completionTokens += sequence.generated;
    reasoningTokens += sequence.reasoningTokens;
  }
  return {
    promptTokens: request.promptTokens,
    completionTokens,
    reasoningTokens,
    cachedTokens: request.cachedTokens,
  };
}
