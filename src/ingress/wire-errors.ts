/**
 * What an error looks like in HTTP: status, OpenAI's type, and the headers that tell a client's
 * retry logic when to come back. Statuses and types stand in `core/error-catalogue.ts`.
 */
import { catalogueEntry, httpStatusOfError, openaiTypeOf } from '../core/error-catalogue.ts';
import type { UnbusyError } from '../core/errors.ts';

/**
 * The longest wait that the OpenAI and Anthropic SDKs honour; told a longer one they come back at
 * once. The body tells the true time.
 */
const retryAfterMaxMs = 60_000;
/** Callers who were refused together are spread over this much of their wait. */
const retrySpread = 0.2;

export function statusOf(error: UnbusyError): number {
  return httpStatusOfError(error);
}

/** OpenAI's `error.type`. */
export function openAiTypeOf(error: UnbusyError): string {
  return catalogueEntry(error.code)?.openaiType ?? openaiTypeOf(error.kind);
}

/**
 * `retry-after` and `retry-after-ms` where a time is known, `x-should-retry: false` where repeating
 * can never help although the status alone would make a client try. `random` is uniform in [0, 1).
 */
export function retryHeaders(error: UnbusyError, random: () => number): Record<string, string> {
  const headers: Record<string, string> = {};
  const { retryAfterMs } = error.details;
  const retryable = error.details.retryable ?? catalogueEntry(error.code)?.retryable;
  if (retryable === false) headers['x-should-retry'] = 'false';
  if (retryAfterMs === undefined) return headers;
  const spread = retryAfterMs * (1 + retrySpread * random());
  const waitMs = Math.max(0, Math.min(spread, retryAfterMaxMs));
  headers['retry-after'] = String(Math.ceil(waitMs / 1000));
  headers['retry-after-ms'] = String(Math.ceil(waitMs));
  return headers;
}
