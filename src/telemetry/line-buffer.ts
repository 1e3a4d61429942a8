/**
 * Log lines, collected and written together: a busy gateway settles thousands of requests a second,
 * and a write for each costs more than the rest of its telemetry.
 *
 * A line is written at most `delayMs` after it came. What is held is bounded: beyond `heldMax`
 * characters it goes out at once.
 */
import type { Clock } from '../core/clock.ts';

export interface LineBuffer {
  /** Takes one line with its end. */
  write(line: string): void;
  /** Writes what is held; for the end of the program. */
  flush(): void;
}

/** Soon enough for a person at a terminal. */
const delayMs = 100;
const heldMax = 64 * 1024;

/** A buffer in front of `sink`. */
export function createLineBuffer(sink: (lines: string) => void, clock: Clock): LineBuffer {
  let held = '';
  let waiting = false;

  function flush(): void {
    waiting = false;
    if (held === '') return;
    const lines = held;
    held = '';
    sink(lines);
  }

  return {
    write(line) {
      held += line;
      if (held.length > heldMax) {
        flush();
      } else if (!waiting) {
        waiting = true;
        clock.setTimer(delayMs, flush);
      }
    },
    flush,
  };
}
