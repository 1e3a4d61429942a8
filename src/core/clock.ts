/**
 * Time, real and virtual, behind one interface.
 *
 * The system clock runs every timer of the process from one wheel and one interval, because a
 * gateway sets and cancels several timers per request. The virtual clock moves only when told to,
 * and fires the same timers in the same order every time; tests and the simulator run on it.
 */
import { TimerWheel } from './timer-wheel.ts';

export interface Clock {
  /** Milliseconds since the epoch, monotonic within the process. */
  now(): number;
  /** Calls back once after `delayMs` (rounded up to the wheel's tick of 10 ms). */
  setTimer(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Fine enough for every time-out and queue delay in the program, coarse enough to cost nothing. */
const tickMs = 10;

/** The clock of this process. Its timers do not keep the process alive. */
export function createSystemClock(): Clock {
  const now = (): number => performance.timeOrigin + performance.now();
  const wheel = new TimerWheel<() => void>({ startMs: now(), tickMs });
  let interval: ReturnType<typeof setInterval> | undefined;

  function tick(): void {
    wheel.advance(now(), (callback) => callback());
    if (wheel.size === 0 && interval !== undefined) {
      clearInterval(interval);
      interval = undefined;
    }
  }

  return {
    now,
    setTimer(delayMs, callback): Timer {
      const timer = wheel.schedule(callback, delayMs, now());
      interval ??= setInterval(tick, tickMs).unref();
      return timer;
    },
  };
}

export interface VirtualClock extends Clock {
  /** Moves time on, firing what falls due on the way; `now()` is the due time while it fires. */
  advance(ms: number): void;
  /** Timers set and neither fired nor cancelled. */
  readonly pending: number;
}

/** A clock that stands at `startMs` until it is advanced. */
export function createVirtualClock(startMs = 0): VirtualClock {
  let nowMs = startMs;
  const wheel = new TimerWheel<() => void>({ startMs, tickMs });
  return {
    now: () => nowMs,
    setTimer: (delayMs, callback) => wheel.schedule(callback, delayMs, nowMs),
    advance(ms) {
      const target = nowMs + ms;
      wheel.advance(target, (callback, dueMs) => {
        nowMs = dueMs;
        callback();
      });
      nowMs = target;
    },
    get pending() {
      return wheel.size;
    },
  };
}
