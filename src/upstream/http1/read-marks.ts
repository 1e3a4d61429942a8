/**
 * What the parser found in one socket read, in the form that the request path takes
 * (`WireRead`). One object is used over and over: it holds until the next read and no longer.
 */
import type { WireRead } from '../../protocol/ports.ts';

/** Room for a few dozen chunks; a read with more makes it grow once. */
const INITIAL_SPANS = 64;

export class ReadMarks implements WireRead {
  buffer: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  spans = new Int32Array(2 * INITIAL_SPANS);
  spanCount = 0;
  wholeChunks = false;

  /** Forgets the previous read. */
  reset(buffer: Buffer): void {
    this.buffer = buffer;
    this.start = 0;
    this.end = 0;
    this.spanCount = 0;
    this.wholeChunks = false;
  }

  addSpan(start: number, end: number): void {
    const at = 2 * this.spanCount;
    if (at + 2 > this.spans.length) {
      const grown = new Int32Array(2 * this.spans.length);
      grown.set(this.spans);
      this.spans = grown;
    }
    this.spans[at] = start;
    this.spans[at + 1] = end;
    this.spanCount += 1;
  }
}
