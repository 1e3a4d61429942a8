/**
 * The story of one request while it happens: what its headers can say so far, and at the end the
 * record for telemetry. Owned by `handle-request.ts`; holds no prompt, answer or key.
 */

import type { Clock } from '../core/clock.ts';
import { httpStatusOfError } from '../core/error-catalogue.ts';
import type { AttemptSummary, UnbusyError } from '../core/errors.ts';
import type { Call, ReplyHead } from '../protocol/caller.ts';
import type { GenerationRequest, Usage } from '../protocol/generation.ts';
import type { Outcome, RelayMode, RequestRecord } from '../protocol/telemetry.ts';
import type { AttemptResult } from './attempt.ts';
import type { Identity } from './identify.ts';
import type { SharedEnd } from './shared-reply.ts';

export interface Story {
  identified(identity: Identity): void;
  decoded(request: GenerationRequest): void;
  admitted(requestClass: string, predictedQueueMs: number): void;
  placed(endpoint: string, queueMs: number): void;
  attempted(endpoint: string, result: AttemptResult): void;
  failed(error: UnbusyError, begun: boolean): void;
  /** The answer was that of the same request in flight; what went wrong was told there. */
  coalesced(end: SharedEnd): void;
  attempts(): readonly AttemptSummary[];
  /** Headers for what is known now. */
  headers(): Record<string, string>;
  head(model: string, warning: string | undefined): ReplyHead;
  /** What could not be in the head of a stream, or undefined where nothing is missing. */
  closingComment(warning: string | undefined): string | undefined;
  usage(): Usage | undefined;
  settled(nowMs: number): RequestRecord;
}

export function createStory(call: Call, clock: Clock): Story {
  let identity: Identity | undefined;
  let request: GenerationRequest | undefined;
  let requestClass = 'unknown';
  let predictedQueueMs = 0;
  let queueMs = 0;
  let endpoint: string | undefined;
  let outcome: Outcome = 'failed';
  let status = 200;
  let errorCode: string | undefined;
  let relay: RelayMode = 'none';
  let usage: Usage | undefined;
  let warning: string | undefined;
  let firstTokenAtMs: number | undefined;
  let headKnew = { placement: false, warning: false };
  const attempts: AttemptSummary[] = [];
  let placedAtMs = 0;

  function headers(): Record<string, string> {
    const known: Record<string, string> = {};
    if (endpoint === undefined) return known;
    known['x-unbusy-queue-ms'] = String(Math.round(queueMs));
    known['x-unbusy-attempts'] = String(attempts.length + 1);
    if (identity?.mayDebug) known['x-unbusy-endpoint'] = endpoint;
    return known;
  }

  function fail(error: UnbusyError, begun: boolean): void {
    errorCode = error.code;
    status = begun ? 200 : httpStatusOfError(error);
    outcome = outcomeOf(error, { begun, attempted: attempts.length > 0 });
  }

  return {
    identified(value) {
      identity = value;
    },
    decoded(value) {
      request = value;
    },
    admitted(value, predicted) {
      requestClass = value;
      predictedQueueMs = predicted;
    },
    placed(name, waitedMs) {
      endpoint = name;
      queueMs = waitedMs;
      placedAtMs = clock.now();
    },
    attempted(name, result) {
      const { answer } = result;
      const durationMs = Math.round(clock.now() - placedAtMs);
      attempts.push({ endpoint: name, result: resultLabel(result), durationMs });
      relay = answer.relay;
      usage = answer.usage ?? usage;
      warning = answer.warning;
      firstTokenAtMs = answer.firstTokenAtMs;
      if (result.kind === 'complete') outcome = 'completed';
    },
    coalesced(end) {
      if (end.kind === 'finished') {
        outcome = 'coalesced';
        usage = end.usage;
      } else if (end.kind === 'gone') outcome = 'cancelled';
      else fail(end.error, false);
    },
    attempts: () => attempts,
    failed: fail,
    headers,
    head(model, warned) {
      headKnew = { placement: endpoint !== undefined, warning: warned !== undefined };
      const known = headers();
      known['x-unbusy-model'] = headerSafe(model);
      if (warned !== undefined) known['x-unbusy-warning'] = warned;
      return { model, headers: known };
    },
    closingComment(warned) {
      const late: string[] = [];
      if (!headKnew.placement && endpoint !== undefined) {
        if (identity?.mayDebug) late.push(`endpoint=${endpoint}`);
        late.push(`queue_ms=${Math.round(queueMs)}`, `attempts=${attempts.length + 1}`);
      }
      if (!headKnew.warning && warned !== undefined) late.push(`warning=${warned}`);
      return late.length === 0 ? undefined : `unbusy ${late.join(' ')}`;
    },
    usage: () => usage,
    settled: (nowMs) => ({
      id: call.id,
      route: call.route,
      model: request?.model ?? '',
      tenant: identity?.tenant ?? '',
      requestClass,
      stream: request?.stream ?? false,
      outcome,
      status,
      errorCode,
      endpoint,
      relay,
      attempts,
      queueMs,
      predictedQueueMs,
      firstTokenMs: firstTokenAtMs === undefined ? undefined : firstTokenAtMs - call.receivedAtMs,
      durationMs: nowMs - call.receivedAtMs,
      usage,
      warning,
    }),
  };
}

function resultLabel(result: AttemptResult): string {
  if (result.kind !== 'failed') return result.kind;
  return result.failure.error.code;
}

/** Refused before the queue, expired after it; a break after the first byte is an interruption. */
function outcomeOf(
  error: UnbusyError,
  { begun, attempted }: { readonly begun: boolean; readonly attempted: boolean },
): Outcome {
  switch (error.kind) {
    case 'cancelled':
      return 'cancelled';
    case 'expired':
      return 'expired';
    case 'internal':
      return begun ? 'interrupted' : 'failed';
    default:
      if (!attempted) return 'refused';
      return begun ? 'interrupted' : 'failed';
  }
}

/** Header values are visible ASCII; a model name may hold anything. */
function headerSafe(value: string): string {
  return value.replace(/[^\x20-\x7e]/gu, '?');
}
