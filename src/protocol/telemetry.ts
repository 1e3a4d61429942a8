/** What the request path tells the outside about itself. Sinks must not throw and must not wait. */
import type { Usage } from './generation.ts';

/** How a request ended; every request ends exactly once in exactly one. */
export type Outcome =
  | 'completed'
  | 'cached'
  | 'coalesced'
  | 'refused'
  | 'expired'
  | 'cancelled'
  | 'interrupted'
  | 'failed';

export type RelayMode = 'raw' | 'patch' | 'translate' | 'none';

/** The story of one request, told when it is settled. Never holds a prompt, an answer or a key. */
export interface RequestRecord {
  readonly id: string;
  readonly route: string;
  readonly model: string;
  readonly tenant: string;
  readonly requestClass: string;
  readonly stream: boolean;
  readonly outcome: Outcome;
  readonly status: number;
  readonly errorCode?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly relay: RelayMode;
  readonly attempts: readonly { readonly endpoint: string; readonly result: string }[];
  readonly queueMs: number;
  readonly predictedQueueMs: number;
  /** From arrival to the first upstream byte passed on; absent where none came. */
  readonly firstTokenMs?: number | undefined;
  readonly durationMs: number;
  readonly usage?: Usage | undefined;
  readonly warning?: string | undefined;
}

/** What one pass of an engine's step loop did. Times in ms. */
export interface EngineStepStats {
  /** Sequences decoded together. */
  readonly batchSize: number;
  readonly prefillTokens: number;
  /** Requests in the engine that have no slot yet. */
  readonly waiting: number;
  /** Sequences that could be decoded together, where the engine tells. */
  readonly slots?: number | undefined;
  readonly kvUsageRatio: number;
  readonly decodeMs: number;
  readonly prefillMs: number;
  readonly sampleMs: number;
}

export interface TelemetrySink {
  requestSettled(record: RequestRecord): void;
  engineStep(endpoint: string, step: EngineStepStats): void;
  /** State of one endpoint changed. */
  endpointState(endpoint: string, state: string, reason: string | undefined): void;
  /** Something a person should know; `code` is stable, `facts` are safe to log. */
  note(
    level: 'info' | 'warn' | 'error',
    code: string,
    facts: Readonly<Record<string, unknown>>,
  ): void;
}
