/**
 * Finds where events end in a stream of server-sent events, wherever the bytes are cut.
 *
 * An event ends with an empty line; lines end with LF, CR LF or CR (WHATWG HTML, "Parsing an
 * event stream"). Where a CR ends an event its LF may still be on the way: the event is then over
 * at the CR and the LF opens the bytes of the next. Holds a few flags, no bytes.
 */

const LF = 10;
const CR = 13;

export class EventSplitter {
  #lineEmpty = true;
  #afterCr = false;
  #lines = 0;
  #eventLines = 0;

  /** Non-empty lines of the event that `next` returned last. */
  get eventLines(): number {
    return this.#eventLines;
  }

  /** Non-empty lines so far of the event that is not yet complete. */
  get pendingLines(): number {
    return this.#lines + (this.#lineEmpty ? 0 : 1);
  }

  /** No byte of an unfinished event has been seen. */
  get atEventStart(): boolean {
    return this.#lineEmpty && this.#lines === 0;
  }

  /** The place behind the event that `bytes[from, end)` completes, or −1 where it goes on. */
  next(bytes: Buffer, from: number, end: number): number {
    let at = from;
    if (this.#afterCr && at < end) {
      this.#afterCr = false;
      if (bytes[at] === LF) at += 1;
    }
    let cr = -1;
    while (at < end) {
      if (cr < at) {
        cr = bytes.indexOf(CR, at);
        if (cr < 0) cr = end;
      }
      let lf = bytes.indexOf(LF, at);
      if (lf < 0 || lf > end) lf = end;
      const lineEnd = Math.min(lf, cr);
      if (lineEnd > at) this.#lineEmpty = false;
      if (lineEnd >= end) return -1;
      at = lineEnd + 1;
      if (bytes[lineEnd] === CR) {
        if (at === end) this.#afterCr = true;
        else if (bytes[at] === LF) at += 1;
      }
      if (this.#lineEmpty) {
        this.#eventLines = this.#lines;
        this.#lines = 0;
        return at;
      }
      this.#lines += 1;
      this.#lineEmpty = true;
    }
    return -1;
  }
}
