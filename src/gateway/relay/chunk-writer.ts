/**
 * Gathers payload and gives it back as one HTTP chunk: room for the size line is kept in front, so
 * that framing costs no second copy.
 */
import type { ByteSink } from '../../protocol/wire-patch.ts';

/** Eight hex digits, CR, LF. */
const HEAD_ROOM = 10;
const TAIL_ROOM = 2;
const HEX = Buffer.from('0123456789abcdef');

export class ChunkWriter implements ByteSink {
  #buffer: Buffer;
  #length = HEAD_ROOM;

  /** `expected`: payload bytes that will probably come; more makes it grow. */
  constructor(expected: number) {
    this.#buffer = Buffer.allocUnsafe(HEAD_ROOM + expected + TAIL_ROOM);
  }

  append(bytes: Uint8Array, from: number, end: number): void {
    if (end <= from) return;
    this.#reserve(end - from);
    if (bytes instanceof Buffer) bytes.copy(this.#buffer, this.#length, from, end);
    else this.#buffer.set(bytes.subarray(from, end), this.#length);
    this.#length += end - from;
  }

  text(text: string): void {
    const bytes = Buffer.from(text);
    this.append(bytes, 0, bytes.length);
  }

  /** The chunk, framed; undefined where there is no payload. The writer is spent. */
  take(): Uint8Array | undefined {
    let size = this.#length - HEAD_ROOM;
    if (size === 0) return undefined;
    const buffer = this.#buffer;
    let at = HEAD_ROOM;
    buffer[--at] = 10;
    buffer[--at] = 13;
    for (; size > 0; size >>>= 4) buffer[--at] = HEX[size & 15] as number;
    buffer[this.#length] = 13;
    buffer[this.#length + 1] = 10;
    return buffer.subarray(at, this.#length + TAIL_ROOM);
  }

  #reserve(more: number): void {
    const needed = this.#length + more + TAIL_ROOM;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
