/**
 * Where a request stands, for whoever has to end it from outside: its caller by leaving, or the
 * program by stopping. The queue is told while it waits, the engine while it works.
 */
import type { UnbusyError } from '../core/errors.ts';
import type { AttemptResult, RunningAttempt } from './attempt.ts';
import { callerLeft, type Ticket } from './pool-ticket.ts';

export class Progress {
  #ticket: Ticket | undefined;
  #attempt: RunningAttempt | undefined;
  /** It was ended before it had a ticket. */
  #ended: UnbusyError | undefined;

  /** It has a ticket: it may wait and be attempted. */
  admitted(ticket: Ticket): void {
    this.#ticket = ticket;
    if (this.#ended !== undefined) ticket.withdraw(this.#ended);
  }

  /** Waits for an attempt, which can be ended meanwhile. */
  async attempting(attempt: RunningAttempt): Promise<AttemptResult> {
    this.#attempt = attempt;
    const result = await attempt.result;
    this.#attempt = undefined;
    return result;
  }

  /** The caller has left. */
  leave(): void {
    const error = callerLeft();
    this.#ended = error;
    this.#ticket?.withdraw(error);
    this.#attempt?.leave();
  }

  /** The program must end now. */
  stop(error: UnbusyError): void {
    this.#ended = error;
    this.#ticket?.withdraw(error);
    this.#attempt?.stop(error);
  }
}
