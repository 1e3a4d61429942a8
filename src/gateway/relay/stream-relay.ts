/**
 * Turns an upstream's event stream into what goes to the caller's socket: chunk-framed bytes of
 * whole events, changed only where a patch says so.
 *
 * Most reads hold whole events in whole chunks and need no change; then the upstream's own framing
 * is copied as it stands. Otherwise the payload is framed anew, and the beginning of an event that
 * is not complete is held back, so that a caller never has half an event when a stream breaks.
 * A stream is complete when the upstream said so by `[DONE]` or by the finish reason of every
 * choice; one that merely ends is cut. The first event that tells of failure, or that no client
 * could read, stops the relay (`fault`): what came before has been passed on, it has not.
 */
import { assertNever } from '../../core/errors.ts';
import type { WireRead } from '../../protocol/ports.ts';
import { GIVEN_UP_REASONS, SseScanner, type StreamMarks } from '../../protocol/sse-scanner.ts';
import { EventSplitter } from '../../protocol/sse-splitter.ts';
import { type WirePatch, WirePatcher } from '../../protocol/wire-patch.ts';
import { ChunkWriter } from './chunk-writer.ts';

export interface StreamRelayOptions {
  readonly patch?: WirePatch | undefined;
  /** Asked once, just before `[DONE]`: the text of a closing comment, without `: `. */
  readonly closingComment: () => string | undefined;
  /** Choices that must each have a finish reason, default 1. */
  readonly choices?: number | undefined;
}

export interface StreamRelay {
  /** What one read gives for the caller, a copy; undefined where it gives nothing. */
  push(read: WireRead): Uint8Array | undefined;
  /** The upstream's body has ended. `bytes` go out before the end of the caller's body. */
  finish(): StreamEnd;
  readonly marks: StreamMarks;
  /** Why nothing is passed on any more; the attempt should be ended. */
  readonly fault: StreamFault | undefined;
}

export interface StreamEnd {
  readonly bytes: Uint8Array | undefined;
  readonly complete: boolean;
  /** For people: what showed that it is complete, or what is missing. */
  readonly why: string;
}

export type StreamFault =
  /** The upstream sent an error; `data` is the event's JSON. */
  | { readonly kind: 'error_event'; readonly data: string }
  /** The engine gave the answer up, with this finish reason. */
  | { readonly kind: 'aborted'; readonly reason: string }
  /** An event whose data clients could not parse. */
  | { readonly kind: 'malformed'; readonly data: string };

/** An event that grows beyond this is passed on as it comes: no relay may hold without bound. */
const HELD_BYTES_MAX = 1024 * 1024;
const FAULT_DATA_CHARS = 2000;
const LF = 10;
const SPACE = 32;
const DONE_EVENT = 'data: [DONE]\n\n';

export function createStreamRelay(options: StreamRelayOptions): StreamRelay {
  return new EventRelay(options);
}

class EventRelay implements StreamRelay {
  readonly #options: StreamRelayOptions;
  readonly #patcher: WirePatcher | undefined;
  readonly #splitter = new EventSplitter();
  readonly #scanner = new SseScanner();
  #fault: StreamFault | undefined;
  #commented = false;
  /** The beginning of an event that is not complete. */
  #held: Buffer | undefined;
  #heldLength = 0;
  /** The event in hand outgrew the bound and passes unseen. */
  #spilling = false;
  /** Present from the first byte of a read that cannot be passed on with its own framing. */
  #writer: ChunkWriter | undefined;
  #read: WireRead | undefined;
  /** Where, in this read, the event in hand begins. */
  #startSpan = 0;
  #startAt = 0;

  constructor(options: StreamRelayOptions) {
    this.#options = options;
    this.#patcher = options.patch === undefined ? undefined : new WirePatcher(options.patch);
  }

  get marks(): StreamMarks {
    return this.#scanner;
  }

  get fault(): StreamFault | undefined {
    return this.#fault;
  }

  push(read: WireRead): Uint8Array | undefined {
    if (this.#fault !== undefined || read.spanCount === 0) return undefined;
    this.#read = read;
    this.#startSpan = 0;
    this.#startAt = read.spans[0] as number;
    if (this.#heldLength > 0 || this.#spilling) this.#openWriter();
    for (let span = 0; span < read.spanCount && this.#fault === undefined; span += 1) {
      this.#readSpan(read, span);
    }
    if (this.#heldLength > 0) this.#openWriter();
    else if (this.#writer === undefined && !read.wholeChunks) {
      this.#startSpan = read.spanCount;
      this.#openWriter();
    }
    const framed =
      this.#writer === undefined
        ? Buffer.from(read.buffer.subarray(read.start, read.end))
        : this.#writer.take();
    this.#writer = undefined;
    this.#read = undefined;
    return framed;
  }

  finish(): StreamEnd {
    if (this.#fault === undefined && this.#heldLength > 0) this.#finishHeld();
    const fault = this.#fault;
    const { done, finishedChoices } = this.#scanner;
    const complete =
      fault === undefined && (done || finishedChoices >= (this.#options.choices ?? 1));
    if (complete && !done) {
      this.#beforeDone();
      this.#openWriter().text(DONE_EVENT);
    }
    const bytes = this.#writer?.take();
    this.#writer = undefined;
    if (fault !== undefined) return { bytes, complete, why: describeFault(fault) };
    if (!complete) return { bytes, complete, why: 'the stream ended without a finish reason' };
    return { bytes, complete, why: done ? 'the stream said [DONE]' : 'it has its finish reason' };
  }

  #readSpan(read: WireRead, span: number): void {
    const { buffer } = read;
    const end = read.spans[2 * span + 1] as number;
    let at = read.spans[2 * span] as number;
    while (at < end && this.#fault === undefined) {
      if (this.#heldLength === 0) {
        this.#startSpan = span;
        this.#startAt = at;
      }
      const eventEnd = this.#splitter.next(buffer, at, end);
      const whole = eventEnd >= 0;
      const upTo = whole ? eventEnd : end;
      if (this.#spilling) {
        this.#writer?.append(buffer, at, upTo);
        if (whole) this.#spilling = false;
      } else if (!whole) {
        this.#hold(buffer, at, upTo);
      } else if (this.#heldLength === 0) {
        this.#event(buffer, at, upTo, this.#splitter.eventLines);
      } else {
        this.#hold(buffer, at, upTo);
        this.#releaseHeld();
      }
      at = upTo;
    }
  }

  /** The event in hand is complete in the held bytes, unless it has just begun to spill. */
  #releaseHeld(): void {
    if (this.#spilling) {
      this.#spilling = false;
      return;
    }
    const held = this.#held as Buffer;
    const length = this.#heldLength;
    this.#held = undefined;
    this.#heldLength = 0;
    this.#event(held, 0, length, this.#splitter.eventLines);
  }

  #hold(bytes: Buffer, from: number, end: number): void {
    const length = this.#heldLength + end - from;
    if (length > HELD_BYTES_MAX) {
      const writer = this.#openWriter();
      if (this.#held !== undefined) writer.append(this.#held, 0, this.#heldLength);
      writer.append(bytes, from, end);
      this.#held = undefined;
      this.#heldLength = 0;
      this.#spilling = true;
      return;
    }
    if (this.#held === undefined || this.#held.length < length) {
      const grown = Buffer.allocUnsafe(Math.max(1024, 2 * length));
      this.#held?.copy(grown, 0, 0, this.#heldLength);
      this.#held = grown;
    }
    bytes.copy(this.#held, this.#heldLength, from, end);
    this.#heldLength = length;
  }

  /** What the end of the stream left without an empty line behind it. */
  #finishHeld(): void {
    const held = (this.#held as Buffer).subarray(0, this.#heldLength);
    this.#held = undefined;
    this.#heldLength = 0;
    const lines = this.#splitter.pendingLines;
    if (lines === 0) {
      this.#openWriter().append(held, 0, held.length);
      return;
    }
    const closed = Buffer.from(`${held.toString().trimEnd()}\n\n`);
    this.#openWriter();
    const { events, malformed } = this.#scanner;
    this.#event(closed, 0, closed.length, lines);
    // Anything but sound data is the beginning of something that was cut: it stays here.
    if (this.#scanner.events === events || this.#scanner.malformed > malformed) {
      this.#writer = undefined;
      this.#fault = undefined;
    }
  }

  /** One whole event, `bytes[from, end)`. */
  #event(bytes: Buffer, from: number, end: number, lines: number): void {
    switch (this.#scanner.readEvent(bytes, from, end, lines)) {
      case 'chunk':
        this.#chunk(bytes, from, end);
        break;
      case 'done':
        this.#beforeDone();
        this.#writer?.append(bytes, from, end);
        break;
      case 'error':
        this.#stop({ kind: 'error_event', data: this.#dataText() });
        break;
      case 'malformed':
        if (isJson(this.#dataText())) this.#writer?.append(bytes, from, end);
        else this.#stop({ kind: 'malformed', data: this.#dataText() });
        break;
      case 'empty':
        this.#openWriter();
        break;
      case 'comment':
        this.#writer?.append(bytes, from, end);
        break;
    }
  }

  #chunk(bytes: Buffer, from: number, end: number): void {
    const { chunk, data, dataStart, dataEnd } = this.#scanner;
    const givenUp = chunk.finishReasons.find((reason) => GIVEN_UP_REASONS.has(reason));
    if (givenUp !== undefined) {
      this.#stop({ kind: 'aborted', reason: givenUp });
    } else if (this.#patcher?.drops(chunk)) {
      this.#openWriter();
    } else if (!this.#patcher?.plan(chunk, data)) {
      this.#writer?.append(bytes, from, end);
    } else if (data === bytes) {
      this.#patcher.write(bytes, from, end, this.#openWriter());
    } else {
      // Data given in several lines is written anew in one: between lines JSON has only space.
      for (let at = dataStart; at < dataEnd; at += 1) if (data[at] === LF) data[at] = SPACE;
      const writer = this.#openWriter();
      writer.text('data: ');
      this.#patcher.write(data, dataStart, dataEnd, writer);
      writer.text('\n\n');
    }
  }

  /** The closing comment, once, in front of what ends the stream. */
  #beforeDone(): void {
    if (this.#commented) return;
    this.#commented = true;
    const text = this.#options.closingComment();
    if (text !== undefined) this.#openWriter().text(`: ${text.replace(/[\r\n]+/g, ' ')}\n\n`);
  }

  /** Everything before the event in hand goes out, the event and what follows does not. */
  #stop(fault: StreamFault): void {
    this.#openWriter();
    this.#fault = fault;
  }

  /** From here on this read is framed anew; its payload before the event in hand is taken over. */
  #openWriter(): ChunkWriter {
    if (this.#writer !== undefined) return this.#writer;
    const read = this.#read;
    const writer = new ChunkWriter(this.#heldLength + (read ? read.end - read.start : 0));
    this.#writer = writer;
    if (read === undefined) return writer;
    for (let span = 0; span < this.#startSpan; span += 1) {
      const from = read.spans[2 * span] as number;
      writer.append(read.buffer, from, read.spans[2 * span + 1] as number);
    }
    if (this.#startSpan < read.spanCount) {
      writer.append(read.buffer, read.spans[2 * this.#startSpan] as number, this.#startAt);
    }
    return writer;
  }

  #dataText(): string {
    const { data, dataStart, dataEnd } = this.#scanner;
    return data.toString('utf8', dataStart, dataEnd);
  }
}

function describeFault(fault: StreamFault): string {
  switch (fault.kind) {
    case 'error_event':
      return `the upstream sent an error: ${fault.data.slice(0, FAULT_DATA_CHARS)}`;
    case 'aborted':
      return `the upstream gave the answer up (finish_reason ${JSON.stringify(fault.reason)})`;
    case 'malformed':
      return 'the upstream sent an event that is not JSON';
    default:
      return assertNever(fault);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
