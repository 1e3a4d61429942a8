/**
 * An incremental parser for HTTP/1.1 responses: bytes in, marks out, nothing copied but a header
 * line that a read has cut in two.
 *
 * `feed` takes what one read brought and says in `ReadMarks` which bytes are payload and which
 * framed bytes are whole chunks that may be forwarded as they are. It accepts any split of the
 * same bytes and finds the same payload. One parser serves one connection, response by response.
 * Throws `HttpParseError`, after which the connection is of no use.
 */
import type { ReadMarks } from './read-marks.ts';
import { HeadReader, HttpParseError, parseField, type ResponseHead } from './response-head.ts';

export interface ParserLimits {
  /** Bytes of all heads of one response (1xx included) or of its trailers. */
  readonly headBytesMax: number;
  /** Header fields in a head or among the trailers. */
  readonly headFieldsMax: number;
  /** Interim 1xx responses before the real one. */
  readonly interimMax: number;
  /** Bytes of one chunk's size line beyond the size: the extensions. */
  readonly extensionBytesMax: number;
}

/** The head limit is Node's own default doubled; others as servers commonly set them. */
export const PARSER_LIMITS: ParserLimits = {
  headBytesMax: 32_768,
  headFieldsMax: 128,
  interimMax: 16,
  extensionBytesMax: 4096,
};

type State =
  | 'head'
  | 'length'
  | 'close'
  | 'size'
  | 'extension'
  | 'size_lf'
  | 'data'
  | 'data_cr'
  | 'data_lf'
  | 'trailer'
  | 'done';

const CR = 13;
const LF = 10;
const TAB = 9;
const SPACE = 32;
const SEMICOLON = 59;
/** 2^44 bytes: no chunk is that long, and the sum stays exact. */
const SIZE_DIGITS_MAX = 11;

export class ResponseParser {
  readonly #marks: ReadMarks;
  readonly #limits: ParserLimits;
  readonly #headReader = new HeadReader();
  #state: State = 'head';
  #head: ResponseHead | undefined;
  #line = '';
  #headBytes = 0;
  #headFields = 0;
  #interim = 0;
  /** Bytes left of a content-length body or of the current chunk; the size while it is read. */
  #remaining = 0;
  #sizeDigits = 0;
  #extensionBytes = 0;
  #extensionOpen = false;
  #excess = false;

  constructor(marks: ReadMarks, limits: ParserLimits = PARSER_LIMITS) {
    this.#marks = marks;
    this.#limits = limits;
  }

  /** The final head, once it has come. */
  get head(): ResponseHead | undefined {
    return this.#head;
  }

  /** Not a byte of the present response has come. */
  get untouched(): boolean {
    return this.#state === 'head' && this.#headBytes === 0;
  }

  get complete(): boolean {
    return this.#state === 'done';
  }

  /** Bytes came after the end of the response: the connection must not be used again. */
  get excess(): boolean {
    return this.#excess;
  }

  /** Makes ready for the next response on the same connection. */
  reset(): void {
    this.#state = 'head';
    this.#head = undefined;
    this.#headReader.reset();
    this.#line = '';
    this.#headBytes = 0;
    this.#headFields = 0;
    this.#interim = 0;
    this.#remaining = 0;
    this.#excess = false;
  }

  /** Reads `buffer[0, end)`. The marks describe this read only. Throws `HttpParseError`. */
  feed(buffer: Buffer, end: number): void {
    const marks = this.#marks;
    marks.reset(buffer);
    let at = 0;
    if (this.#state === 'head') {
      at = this.#readHead(buffer, end);
      if (this.#head === undefined) return;
    }
    marks.start = at;
    marks.end = at;
    if (this.#state === 'length') at = this.#readLength(at, end);
    else if (this.#state === 'close') at = this.#readClose(at, end);
    else if (this.#state !== 'done') at = this.#readChunked(buffer, at, end);
    if (at < end) this.#excess = true;
  }

  /**
   * The connection has ended. Completes a body that ends with it; throws `HttpParseError` where
   * something was still missing.
   */
  endOfInput(): void {
    if (this.#state === 'close') this.#state = 'done';
    if (this.#state === 'done') return;
    const where = this.#state === 'head' ? 'in the head' : 'in the body';
    throw new HttpParseError(`the connection ended ${where} of the response`);
  }

  #readHead(buffer: Buffer, end: number): number {
    let at = 0;
    while (at < end) {
      at = this.#readLine(buffer, at, end);
      if (at < 0) return end;
      const line = this.#takeLine();
      if (line !== '') {
        if (this.#headReader.begun) this.#countField();
        this.#headReader.line(line);
        continue;
      }
      const head = this.#headReader.finish();
      if (head.status === 101) throw new HttpParseError('status 101 without an upgrade request');
      if (head.status >= 200) {
        this.#begin(head);
        return at;
      }
      this.#headFields = 0;
      this.#interim += 1;
      if (this.#interim > this.#limits.interimMax) {
        throw new HttpParseError(`more than ${this.#limits.interimMax} interim (1xx) responses`);
      }
    }
    return end;
  }

  #begin(head: ResponseHead): void {
    this.#head = head;
    this.#headBytes = 0;
    this.#headFields = 0;
    const { framing } = head;
    switch (framing.kind) {
      case 'none':
        this.#state = 'done';
        break;
      case 'length':
        this.#remaining = framing.length;
        this.#state = framing.length === 0 ? 'done' : 'length';
        break;
      case 'close':
        this.#state = 'close';
        break;
      case 'chunked':
        this.#expectSize();
        break;
    }
  }

  /**
   * Reads up to the next LF and returns the place after it, or −1 where the line goes on beyond
   * this read. The text is then in `#line`, its CR checked and still there.
   */
  #readLine(buffer: Buffer, from: number, end: number): number {
    let at = from;
    while (at < end && buffer[at] !== LF) at += 1;
    const complete = at < end;
    this.#headBytes += at - from;
    if (this.#headBytes > this.#limits.headBytesMax) {
      throw new HttpParseError(`the head is longer than ${this.#limits.headBytesMax} bytes`);
    }
    const text = buffer.toString('latin1', from, at);
    this.#line = this.#line === '' ? text : this.#line + text;
    if (!complete) return -1;
    if (!this.#line.endsWith('\r')) throw new HttpParseError('a header line ends without CR');
    return at + 1;
  }

  #takeLine(): string {
    const line = this.#line.slice(0, -1);
    this.#line = '';
    return line;
  }

  #countField(): void {
    this.#headFields += 1;
    if (this.#headFields > this.#limits.headFieldsMax) {
      throw new HttpParseError(`more than ${this.#limits.headFieldsMax} header fields`);
    }
  }

  #readLength(from: number, end: number): number {
    const upTo = Math.min(end, from + this.#remaining);
    if (upTo > from) this.#marks.addSpan(from, upTo);
    this.#marks.end = upTo;
    this.#remaining -= upTo - from;
    if (this.#remaining === 0) this.#state = 'done';
    return upTo;
  }

  #readClose(from: number, end: number): number {
    if (end > from) this.#marks.addSpan(from, end);
    this.#marks.end = end;
    return end;
  }

  /** Marks payload spans; `marks.end` stays behind the last chunk that is wholly here. */
  #readChunked(buffer: Buffer, from: number, end: number): number {
    const marks = this.#marks;
    let plain = this.#state === 'size' && this.#sizeDigits === 0;
    let payloadEnd = from;
    let at = from;
    while (at < end && this.#state !== 'done') {
      if (this.#state === 'data') {
        const upTo = Math.min(end, at + this.#remaining);
        marks.addSpan(at, upTo);
        this.#remaining -= upTo - at;
        at = upTo;
        payloadEnd = upTo;
        if (this.#remaining === 0) this.#state = 'data_cr';
      } else if (this.#state === 'trailer') {
        at = this.#readTrailer(buffer, at, end);
      } else {
        this.#readFraming(buffer[at] ?? 0);
        at += 1;
        if (this.#state === 'extension') plain = false;
        if (this.#state === 'size' && this.#sizeDigits === 0) marks.end = at;
      }
    }
    // Extensions are for this connection only, so chunks that carry them are framed anew.
    marks.wholeChunks = plain && payloadEnd <= marks.end;
    if (!marks.wholeChunks) marks.end = at;
    return at;
  }

  /** One byte between the payloads of two chunks. */
  #readFraming(byte: number): void {
    switch (this.#state) {
      case 'size':
        this.#readSize(byte);
        break;
      case 'extension':
        this.#readExtension(byte);
        break;
      case 'size_lf':
        if (byte !== LF) throw badByte('in a chunk size line, expected LF', byte);
        if (this.#remaining > 0) {
          this.#state = 'data';
        } else {
          this.#state = 'trailer';
          this.#headBytes = 0;
          this.#headFields = 0;
        }
        break;
      case 'data_cr':
        if (byte !== CR) throw badByte('after a chunk, expected CR', byte);
        this.#state = 'data_lf';
        break;
      case 'data_lf':
        if (byte !== LF) throw badByte('after a chunk, expected LF', byte);
        this.#expectSize();
        break;
      default:
        throw new HttpParseError(`no framing byte is expected in state ${this.#state}`);
    }
  }

  #expectSize(): void {
    this.#state = 'size';
    this.#sizeDigits = 0;
    this.#remaining = 0;
  }

  #readSize(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      this.#sizeDigits += 1;
      if (this.#sizeDigits > SIZE_DIGITS_MAX) throw new HttpParseError('a chunk size is too long');
      this.#remaining = this.#remaining * 16 + digit;
      return;
    }
    if (this.#sizeDigits === 0) throw badByte('where a chunk size should be', byte);
    if (byte === CR) {
      this.#state = 'size_lf';
    } else if (byte === SEMICOLON || byte === SPACE || byte === TAB) {
      this.#state = 'extension';
      this.#extensionBytes = 1;
      this.#extensionOpen = byte === SEMICOLON;
    } else {
      throw badByte('in a chunk size', byte);
    }
  }

  #readExtension(byte: number): void {
    this.#extensionBytes += 1;
    if (this.#extensionBytes > this.#limits.extensionBytesMax) {
      throw new HttpParseError(
        `chunk extensions are longer than ${this.#limits.extensionBytesMax} bytes`,
      );
    }
    if (byte === CR) {
      this.#state = 'size_lf';
    } else if (byte === SEMICOLON) {
      this.#extensionOpen = true;
    } else if (byte !== TAB && (byte < SPACE || byte === 127)) {
      throw badByte('in a chunk extension', byte);
    } else if (!this.#extensionOpen && byte !== SPACE && byte !== TAB) {
      throw badByte('in a chunk size', byte);
    }
  }

  /** Trailer fields are checked like header fields and dropped: nothing here uses them. */
  #readTrailer(buffer: Buffer, from: number, end: number): number {
    const at = this.#readLine(buffer, from, end);
    if (at < 0) return end;
    const line = this.#takeLine();
    if (line === '') {
      this.#state = 'done';
    } else {
      this.#countField();
      parseField(line);
    }
    return at;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function badByte(where: string, byte: number): HttpParseError {
  return new HttpParseError(`byte 0x${byte.toString(16).padStart(2, '0')} ${where}`);
}
