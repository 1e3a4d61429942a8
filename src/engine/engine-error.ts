/** Errors on their way between the engine process and the gateway. */
import { UnbusyError } from '../core/errors.ts';
import type { WireError } from './protocol.ts';

/** An error as it travels. */
export function toWire(error: UnbusyError): WireError {
  const { param, facts } = error.details;
  return { kind: error.kind, code: error.code, message: error.message, param, facts };
}

/** The error that was sent. */
export function fromWire(error: WireError): UnbusyError {
  const { param, facts } = error;
  return new UnbusyError(error.kind, error.code, error.message, { param, facts });
}
