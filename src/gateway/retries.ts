/**
 * Whether a failed attempt is followed by another, and the error where it is not.
 */

import type { AttemptSummary } from '../core/errors.ts';
import { UnbusyError } from '../core/errors.ts';
import type { Clock, UpstreamError } from '../protocol/ports.ts';

export interface Retries {
  /** @throws UnbusyError the failure with the attempts made, where another one may not be made. */
  requireAnother(failure: UpstreamError, attempts: readonly AttemptSummary[]): void;
}

export function createRetries(_budgetRatio: number, _clock: Clock): Retries {
  return {
    requireAnother(failure, attempts) {
      if (!failure.callerFault && failure.stage !== 'streaming') return;
      const { kind, code, message, details } = failure.error;
      throw new UnbusyError(kind, code, message, { ...details, attempts });
    },
  };
}
