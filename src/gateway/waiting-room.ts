/**
 * Tells streams that wait where they stand, so that nobody waits in the dark and no proxy in
 * between takes the silence for death (D3).
 *
 * After `headersAfterMs` a waiting stream gets its head, then comments with its place and time: at
 * most two a second, and at least one every ten seconds also while an engine reads its prompt. The
 * timer runs only while somebody waits.
 */
import type { Clock } from '../protocol/ports.ts';
import type { ModelPool } from './model-pool.ts';
import type { Ticket } from './pool-ticket.ts';

export interface WaitingRoomOptions {
  readonly clock: Clock;
  readonly pools: () => readonly ModelPool[];
  readonly headersAfterMs: number;
  readonly comments: boolean;
}

export interface WaitingRoom {
  /** Somebody has begun to wait. */
  wake(): void;
}

/** Twice a second: what a person can follow. */
const tickMs = 500;
/** Well under the 60 s after which common proxies give up on a silent connection. */
const silenceMaxMs = 10_000;

interface Told {
  readonly atMs: number;
  readonly text: string;
}

export function createWaitingRoom(options: WaitingRoomOptions): WaitingRoom {
  const { clock, pools, headersAfterMs, comments } = options;
  const told = new WeakMap<Ticket, Told>();
  let ticking = false;

  function tick(): void {
    const now = clock.now();
    let anyone = false;
    for (const pool of pools()) {
      for (const { ticket, position, etaMs } of pool.silent()) {
        anyone = true;
        const { reply, announce } = ticket.options;
        if (!reply.streaming || now - ticket.arrivedAtMs < headersAfterMs) continue;
        announce();
        if (comments) tell(ticket, comment(position, etaMs), now);
      }
    }
    ticking = anyone;
    if (anyone) clock.setTimer(tickMs, tick);
  }

  function tell(ticket: Ticket, text: string, now: number): void {
    const last = told.get(ticket);
    if (last?.text === text && now - last.atMs < silenceMaxMs) return;
    told.set(ticket, { atMs: now, text });
    ticket.options.reply.comment(text);
  }

  return {
    wake() {
      if (ticking) return;
      ticking = true;
      clock.setTimer(Math.min(tickMs, headersAfterMs), tick);
    },
  };
}

function comment(position: number, etaMs: number): string {
  return position === 0 ? 'processing' : `queued position=${position} eta_ms=${Math.ceil(etaMs)}`;
}
