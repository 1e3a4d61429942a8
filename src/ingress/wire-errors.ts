/**
 * What an error looks like in HTTP: status, OpenAI's type, and the headers that tell a client's
 * retry logic when to come back. Statuses and types stand in `core/error-catalogue.ts`.
 */
import { catalogueEntry, httpStatusOfError, openaiTypeOf } from '../core/error-catalogue.ts';
import type { UnbusyError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { retryAfterWire } from '../policy/admission/refusal.ts';

export function statusOf(error: UnbusyError): number {
  return httpStatusOfError(error);
}

/** OpenAI's `error.type`. */
export function openAiTypeOf(error: UnbusyError): string {
  return catalogueEntry(error.code)?.openaiType ?? openaiTypeOf(error.kind);
}

/**
 * `retry-after` and `retry-after-ms` where a time is known, `x-should-retry: false` where repeating
 * can never help although the status alone would make a client try. SDKs obey at most 60 s, so longer
 * waits are told as that; the body tells the true time.
 */
export function retryHeaders(error: UnbusyError, random: Random): Record<string, string> {
  const headers: Record<string, string> = {};
  const { retryAfterMs } = error.details;
  const retryable = error.details.retryable ?? catalogueEntry(error.code)?.retryable;
  if (retryable === false) headers['x-should-retry'] = 'false';
  if (retryAfterMs === undefined) return headers;
  const wire = retryAfterWire(retryAfterMs, random);
  headers['retry-after'] = String(wire.retryAfterSeconds);
  headers['retry-after-ms'] = String(wire.retryAfterMs);
  return headers;
}
