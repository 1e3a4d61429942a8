/**
 * Errors in OpenAI's form, with what we know more: the true time to wait, what was tried, and where
 * to read on. Clients that know only the four standard fields lose nothing.
 */
import type { UnbusyError } from '../../core/errors.ts';

/** The value of `error` in a body or in a stream's error event. */
export function openAiError(error: UnbusyError, type: string): Record<string, unknown> {
  const { param, retryAfterMs, attempts, facts } = error.details;
  const body: Record<string, unknown> = {
    message: error.message,
    type,
    param: param ?? null,
    code: error.code,
  };
  if (retryAfterMs !== undefined) body['retry_after_ms'] = Math.round(retryAfterMs);
  if (attempts !== undefined) {
    body['attempts'] = attempts.map(({ endpoint, result, durationMs }) => ({
      endpoint,
      result,
      duration_ms: Math.round(durationMs),
    }));
  }
  if (facts !== undefined) body['facts'] = facts;
  body['hint'] = `unbusy explain ${error.code}`;
  return body;
}

/** `{"error":{…}}`. */
export function encodeError(error: UnbusyError, type: string): string {
  return JSON.stringify({ error: openAiError(error, type) });
}
